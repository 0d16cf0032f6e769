"""`darkroom replay`: make the result of a receipt again, and compare. It needs neither the API nor AWS."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from darkroom.cli.terminal import say

if TYPE_CHECKING:
    from darkroom.making import Making
    from darkroom.record.receipt import Receipt

SAME, DIFFERENT, NOT_COMPARABLE = 0, 1, 2
"""Exit statuses."""


@click.command()
@click.argument("receipt_file", metavar="RECEIPT", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--asset",
    "assets",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file of an asset that the recipe names; may be given several times.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to this file.")
def replay(receipt_file: Path, photo: Path, assets: tuple[Path, ...], out: Path | None) -> None:
    """Make a result again from its RECEIPT and PHOTO, and compare.

    It says whether bytes and pixels agree.

    GET .../jobs/{job}/receipt gives the receipt. The jobs that were done together are done together again, because they
    share pictures. Give only receipts and photos that you trust: no sandbox protects this command.

    \b
    Exit status:
      0  the bytes are the same
      1  the bytes differ, or the result cannot be made
      2  PHOTO is another file, an asset is not given, or RECEIPT is not a
         receipt

    \b
    Example:
      darkroom replay receipt.json photo.jpg
    """
    receipt = _read(receipt_file)
    with photo.open("rb") as original, ExitStack() as opened:
        digest = hashlib.file_digest(original, "sha256").hexdigest()
        if digest != receipt.input.sha256:
            say(
                f"{photo} is another file than the receipt's: its SHA-256 is {digest}, "
                f"the receipt names {receipt.input.sha256} ({receipt.input.size:,} bytes).",
                err=True,
            )
            raise click.exceptions.Exit(NOT_COMPARABLE)
        original.seek(0)
        made = _made(receipt, original, _by_id(opened.enter_context(file.open("rb")) for file in assets))
    if isinstance(made, Exception):
        say(f"The result cannot be made again: {made}", err=True)
        _say_changes(receipt, None)
        raise click.exceptions.Exit(DIFFERENT)
    making, data = made
    if out:
        out.write_bytes(data)
    if hashlib.sha256(data).hexdigest() == receipt.output.sha256:
        say(f"The bytes agree, and so do the pixels: {len(data):,} bytes, SHA-256 {receipt.output.sha256}.")
        return
    say(f"The bytes differ: {len(data):,} bytes now, {receipt.output.size:,} in the receipt.")
    if making.pixels and receipt.output.pixels:
        if making.pixels == receipt.output.pixels:
            say("The pixels before encoding agree: the encoder, or the metadata, writes something else.")
        else:
            say("The pixels before encoding differ.")
    _say_changes(receipt, making)
    raise click.exceptions.Exit(DIFFERENT)


def _read(path: Path) -> Receipt:
    from pydantic import ValidationError

    from darkroom.record.receipt import Receipt

    try:
        return Receipt.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole file"
        say(f"{path} is not a receipt of this release of Darkroom: {place}: {first['msg']}", err=True)
        raise click.exceptions.Exit(NOT_COMPARABLE) from error


def _by_id(assets: Iterable[BufferedReader]) -> dict[str, BinaryIO]:
    """Open assets by their ids."""
    return {hashlib.file_digest(file, "sha256").hexdigest(): file for file in assets}


def _made(receipt: Receipt, original: Any, assets: Mapping[str, BinaryIO]) -> tuple[Making, bytes] | Exception:
    """How the result was made now, and its bytes, or the error that prevents it."""
    from darkroom.jobs.job_types import assets_of
    from darkroom.settings import read_settings
    from darkroom.sniff import accept_extra_inputs, set_pixel_limit
    from worker.photo.pipeline import produce

    settings = read_settings()
    max_pixels = settings.max_pixels
    set_pixel_limit(max_pixels)
    accept_extra_inputs(settings.extra_inputs)
    jobs = {one.job: one.recipe for one in receipt.made_with}
    jobs.setdefault(receipt.job, receipt.recipe)
    if missing := [asset_id for asset_id in assets_of(*jobs.values()) if asset_id not in assets]:
        say(f"The recipe names asset {missing[0]}: give its file with --asset.", err=True)
        raise click.exceptions.Exit(NOT_COMPARABLE)
    files = {job_id: io.BytesIO() for job_id in jobs}
    for end in produce(original, jobs, files, max_pixels, assets=assets):
        if end.job == receipt.job:
            if isinstance(end.result, Exception):
                return end.result
            return end.result.making, files[end.job].getvalue()
    raise AssertionError("produce ends every job")


def _say_changes(receipt: Receipt, making: Making | None) -> None:
    """What is known to be another than when the receipt was made."""
    import darkroom

    if (then := receipt.versions.get("darkroom")) != darkroom.__version__:
        say(f"Darkroom was {then} and is {darkroom.__version__}.")
    if making is None:
        return
    for role, then in receipt.backends.items():
        if (now := making.backends.get(role)) != then:
            say(f"{role}: {then} then, {now or 'nothing'} now")
    if tuple(receipt.plan) != making.plan:
        say("The plan is another one:")
        say("  then: " + ", ".join(receipt.plan))
        say("  now:  " + ", ".join(making.plan))
