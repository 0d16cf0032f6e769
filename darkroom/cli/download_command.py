"""`darkroom download`: results of a photo, all or by name. It talks to the API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from darkroom.cli.api_connection import connected, known_photo
from darkroom.cli.options import api_key_option, url_option
from darkroom.cli.terminal import say
from darkroom.errors import DarkroomError

if TYPE_CHECKING:
    from darkroom.client import JobJson, PhotoJson


@click.command()
@click.argument("photo_id", metavar="ID")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Write the files into this folder. Default: the current one.",
)
@url_option
@api_key_option
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=1),
    default=600,
    show_default=True,
    help="Longest time to wait until the photo's jobs have ended.",
)
def download(photo_id: str, names: tuple[str, ...], out: Path, url: str, api_key: str | None, timeout: float) -> None:
    """Download the results of a photo.

    NAME is the name of a result, such as thumbnail; `darkroom status` shows the names. If several jobs have the name,
    the newest that has succeeded counts. Without NAME the command downloads all results. It waits until all jobs of
    the photo have ended, and overwrites files that have the same name.

    \b
    Examples:
      darkroom download 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88 --out results/
      darkroom download 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88 thumbnail small

    \b
    Exit status:
      0    all files are there
      1    something failed, or a result does not exist; the reasons are printed
    """
    from darkroom.cli.advice import advised
    from darkroom.cli.saving import ResultFolder, label_of
    from darkroom.client import ClientError

    problems = 0
    with connected(url, api_key) as client:
        photo = known_photo(client, photo_id)
        jobs = _chosen(photo, names)  # a wrong name is found before any wait
        photo = client.wait(photo_id, timeout)
        jobs = _chosen(photo, names)
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".partial-", dir=out, ignore_cleanup_errors=True) as partial:
            folder = ResultFolder(out, Path(partial))
            for job in jobs:
                try:
                    if job["result"] is None:
                        raise DarkroomError(_reason(job))
                    say(str(folder.save(client, photo_id, job)))
                except (ClientError, DarkroomError, OSError) as error:
                    problems += 1
                    say(f"{label_of(job)}: {advised(error)}", err=True)
    if problems:
        raise click.exceptions.Exit(1)


def _chosen(photo: PhotoJson, names: Sequence[str]) -> list[JobJson]:
    """The jobs with these names, or all jobs. Raises DarkroomError for a name that no job has."""
    if not names:
        return photo["jobs"]
    known = dict.fromkeys(job["name"] for job in photo["jobs"] if job["name"])
    if unknown := [name for name in dict.fromkeys(names) if name not in known]:
        there = f"its results are named {', '.join(map(str, known))}" if known else "none of its results has a name"
        raise DarkroomError(f"photo {photo['id']} has no result named {', '.join(unknown)}; {there}")
    return [_newest(photo, name) for name in dict.fromkeys(names)]


def _newest(photo: PhotoJson, name: str) -> JobJson:
    """The newest job with the name that has succeeded, or the newest if none has."""
    named = [job for job in photo["jobs"] if job["name"] == name]
    return next((job for job in reversed(named) if job["result"]), named[-1])


def _reason(job: JobJson) -> str:
    error = job["error"]
    return f"{error['code']}: {error['detail']}" if error else f"the job is {job['status']}"
