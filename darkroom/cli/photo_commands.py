"""`darkroom upload`, `darkroom status` and `darkroom batch`: they talk to the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from darkroom.cli.api_connection import connected, known_batch, known_photo
from darkroom.cli.options import api_key_option, checked_jobs, url_option
from darkroom.cli.terminal import say_table

if TYPE_CHECKING:
    from darkroom.client import OriginalJson, ResultJson


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--preset", metavar="NAME", help="A named list of jobs. Default: the API's default preset.")
@click.option("--jobs", metavar="JSON|@FILE", callback=checked_jobs, help="The jobs as JSON, or a file with them.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Download the results into this folder.")
@url_option
@api_key_option
@click.option("--parallel", type=click.IntRange(1, 64), default=4, show_default=True, help="Photos at a time.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=1),
    default=600,
    show_default=True,
    help="Longest time to wait for the jobs of one photo after its upload.",
)
@click.option("--reference", metavar="TEXT", help="Your own reference; the photos keep it, and events repeat it.")
@click.option(
    "--direct", is_flag=True, help="Send the photos directly to S3, for large photos and an API behind a gateway."
)
def upload(
    paths: tuple[Path, ...],
    preset: str | None,
    jobs: str | None,
    out: Path | None,
    url: str,
    api_key: str | None,
    parallel: int,
    timeout: float,
    reference: str | None,
    direct: bool,
) -> None:
    """Upload photos, wait, and download the results.

    PATHS are files and folders. Darkroom searches folders and their subfolders for photos (jpg, jpeg, jpe, jfif, png,
    webp, gif, tif, tiff, avif, heic, heif) and skips hidden files. A file that you name yourself is always sent.

    Each photo gets its own folder in --out, with the photo's name and its subfolder:

    \b
      darkroom upload holiday --out results
        holiday/day1/sea.jpg  ->  results/day1/sea/...
        holiday/day2/sea.jpg  ->  results/day2/sea/...

    If two photos need the same folder, the folder keeps the extension (sea.jpg/, sea.heic/); if that is taken too, a
    number is added (sea-2.jpg/). The same command overwrites its earlier results. Without --out the command prints
    the id, the status and the links of each photo's results.

    \b
    Examples:
      darkroom upload *.jpg --preset web --out results/
      darkroom upload scans/ --jobs '[{"type": "resize", "width": 800}]'
      darkroom upload scans/ --jobs @jobs.json --parallel 8
      darkroom upload panorama.tif --direct --out small/

    \b
    Exit status:
      0    all succeeded
      1    something failed; each failed photo is named with its reason
      2    wrong usage
      130  stopped by Ctrl-C; Darkroom still processes the photos that were sent
    """
    if preset and jobs:
        raise click.UsageError("give either --preset or --jobs, not both")
    if out and any(path.is_dir() and path.resolve() == out.resolve() for path in paths):
        raise click.UsageError(
            "--out is one of the folders to upload, so the next run would upload the results; use another folder"
        )
    from darkroom.cli.upload import UploadOptions, find_photos, upload_all

    photos = find_photos(paths, out)
    if not photos:
        raise click.UsageError("there are no photos in " + ", ".join(str(path) for path in paths))
    options = UploadOptions(url, preset, json.loads(jobs) if jobs else None, reference, timeout, out, api_key, direct)
    if not upload_all(photos, options, parallel):
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("photo_id", metavar="ID")
@url_option
@api_key_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
def status(photo_id: str, url: str, api_key: str | None, as_json: bool) -> None:
    """Show a photo and its jobs.

    \b
    Examples:
      darkroom status 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88
      darkroom status 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88 --json | jq .counts
    """
    with connected(url, api_key) as client:
        photo = known_photo(client, photo_id)
    if as_json:
        click.echo(json.dumps(photo, indent=2))
        return
    original = photo["original"]
    facts = {
        "photo": photo["id"],
        "status": photo["status"],
        "file": original["filename"] if original else (photo.get("upload") or {}).get("filename"),
        "original": _picture(original),
        "created": photo["created_at"],
    }
    say_table([[name, value] for name, value in facts.items() if value])
    click.echo()
    rows = []
    for job in photo["jobs"]:
        ending = f"{job['error']['code']}: {job['error']['detail']}" if job["error"] else _picture(job["result"])
        rows.append([job["id"], job["name"] or "", job["type"], job["status"], str(job["attempts"]), ending])
    say_table([["JOB", "NAME", "TYPE", "STATUS", "ATTEMPTS", "RESULT"], *rows])


@click.command()
@click.argument("batch_id", metavar="ID")
@url_option
@api_key_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
def batch(batch_id: str, url: str, api_key: str | None, as_json: bool) -> None:
    """Show a batch and its photos. A request that uploads several photos makes a batch.

    \b
    Examples:
      darkroom batch 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88
      darkroom batch 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88 --json | jq .counts
    """
    with connected(url, api_key) as client:
        found = known_batch(client, batch_id)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    counts = ", ".join(f"{count} {status}" for status, count in found["counts"].items())
    facts = {"batch": found["id"], "status": found["status"], "photos": counts, "created": found["created_at"]}
    say_table([[name, value] for name, value in facts.items() if value])
    click.echo()
    rows = [
        [photo["id"], photo["filename"] or "", photo["status"], f"{sum(photo['counts'].values())}"]
        for photo in found["photos"]
    ]
    say_table([["PHOTO", "FILE", "STATUS", "JOBS"], *rows])


def _picture(facts: OriginalJson | ResultJson | None) -> str:
    """`800x600 image/jpeg 93 KB`; metadata results have no width."""
    if not facts:
        return ""
    pixels = [f"{facts['width']}x{facts['height']}"] if facts["width"] else []
    size = f"{facts['size'] / 1000:,.0f} KB" if facts["size"] >= 1000 else f"{facts['size']} bytes"
    return " ".join([*pixels, facts["content_type"], size])
