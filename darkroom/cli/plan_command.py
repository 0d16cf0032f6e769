"""`darkroom plan`: how a worker would process a photo. It needs neither the API nor AWS."""

from __future__ import annotations

from pathlib import Path

import click

from darkroom.cli.options import checked_jobs
from darkroom.cli.terminal import say, say_table


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--preset", metavar="NAME", help="A named list of jobs. Default: DARKROOM_DEFAULT_PRESET.")
@click.option("--jobs", metavar="JSON|@FILE", callback=checked_jobs, help="The jobs as JSON, or a file with them.")
def plan(photo: Path, preset: str | None, jobs: str | None) -> None:
    """Draw how a worker would process PHOTO.

    The tree shows what is decoded at which size, which pictures the jobs share, and what each step costs. It is made
    from the photo's header. A job on the frames of an animation has a tree of its own, whose costs are those of all
    frames. The costs are estimates for one core of the reference machine, which docs/performance.md
    names.

    \b
    Examples:
      darkroom plan --preset web photo.jpg
      darkroom plan --jobs '[{"type": "resize", "width": 800}]' photo.jpg
    """
    if preset and jobs:
        raise click.UsageError("give either --preset or --jobs, not both")
    from darkroom.containers.repair import name_of
    from darkroom.cost import seconds_of
    from darkroom.jobs.job_types import job_label, jobs_adapter
    from darkroom.plan.animations import job_runs, with_all_frames
    from darkroom.plan.drawing import drawn
    from darkroom.plan.estimate import with_transfers
    from darkroom.plan.least_memory import plan_within
    from darkroom.presets import read_presets
    from darkroom.settings import read_settings
    from darkroom.sniff import accept_extra_inputs
    from worker.photo.decode import PhotoFile

    settings = read_settings()
    accept_extra_inputs(settings.extra_inputs)
    if jobs:
        specs = jobs_adapter.validate_json(jobs)
    else:
        presets = read_presets(settings)
        name = preset or settings.default_preset
        if name not in presets:
            raise click.UsageError(f"there is no preset {name!r}; {settings.presets_file} has {', '.join(presets)}")
        specs = presets[name].jobs
    names = {f"job {number}, {job_label(job)}": job for number, job in enumerate(specs, 1)}
    plans = []
    with photo.open("rb") as file:
        stored = PhotoFile(file, settings.max_pixels).stored
        of_pages, of_frames = job_runs(stored, names)
        for page, of_page in of_pages.items():
            stored_page = PhotoFile(file, settings.max_pixels, page).stored
            plans.append(plan_within(stored_page, of_page, settings.max_pixels, settings.child_memory))
    for name, job in of_frames.items():
        made = plan_within(stored, {name: job}, settings.max_pixels, settings.child_memory)
        plans.append(with_all_frames(made, job))
    colours = f", {stored.colour_space} profile" if stored.colour_space else ""
    say(
        f"{photo}: {name_of(stored.format)} {stored.width}x{stored.height} {stored.mode}{colours}, "
        f"orientation {stored.orientation}, {stored.bytes / 1e6:.1f} MB"
        + (f", {stored.frames} frames" if stored.frames > 1 else "")
    )
    rows = [list(row) for made in plans for row in drawn(made)]
    say_table([["STEP", "SIZE", "COST"], *rows])
    for refused, error in (pair for made in plans for pair in made.refused.items()):
        say(f"refused -> {refused}: {error}")
    whole = seconds_of(with_transfers(plans, len(specs)))
    say(f"{sum(made.seconds for made in plans) * 1000:.0f} ms; with transfers and records {whole * 1000:.0f} ms")
