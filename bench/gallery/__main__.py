"""Make the pictures of the gallery, and its page docs/gallery/README.md.

\b
    .venv/bin/python -m bench.gallery              # everything
    .venv/bin/python -m bench.gallery blur tint    # pictures whose titles begin with these words
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import click

from bench.gallery.examples import FOLDER, PHOTOS, SECTIONS, Example, asset_files
from darkroom.jobs.job_types import assets_of, jobs_adapter
from darkroom.jobs.output_formats import RESULT_FORMATS
from worker.photo.pipeline import produce

MAX_PIXELS = 1_000_000

OUTPUT = {"format": "webp", "quality": 70}
"""How pictures are written whose job does not say it."""

INTRODUCTION = """\
# Gallery

Every operation on real photos, with the job to copy. `make gallery` makes this page and its pictures.
[docs/api.md](../api.md) says how to send jobs, and `GET /v1/operations` lists all parameters with their limits.

The photos are small copies of public test photos: `stones`, `cook` and `cat` from
[metadata-extractor-images](https://github.com/drewnoakes/metadata-extractor-images) (free to use), `waterfall` from
[exif-orientation-examples](https://github.com/recurser/exif-orientation-examples) (MIT). `pan` is an
animation of parts of `waterfall`:

![](photos/pan.webp)

| stones | waterfall | cook | cat |
|---|---|---|---|
| ![](photos/stones.jpg) | ![](photos/waterfall.jpg) | ![](photos/cook.jpg) | ![](photos/cat.jpg) |
"""


@click.command(help=__doc__)
@click.argument("titles", nargs=-1)
def main(titles: tuple[str, ...]) -> None:
    examples = [example for section in SECTIONS.values() for example in section]
    pictures = FOLDER / "pictures"
    if not titles:
        shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(exist_ok=True)
    for example in examples:
        if not titles or example.title.startswith(titles):
            name, data = picture_of(example)
            (pictures / name).write_bytes(data)
            click.echo(f"{name}: {len(data):,} bytes")
    (FOLDER / "README.md").write_text("\n".join(page({path.stem: path for path in pictures.iterdir()})))


def picture_of(example: Example) -> tuple[str, bytes]:
    """The name and the bytes of an example's picture."""
    job = {"output": OUTPUT, **example.job}
    (spec,) = jobs_adapter.validate_python([job])
    file = io.BytesIO()
    paths = asset_files()
    with contextlib.ExitStack() as files:
        original = files.enter_context((PHOTOS / example.photo).open("rb"))
        assets = {one: files.enter_context(paths[one].open("rb")) for one in assets_of(spec)}
        (end,) = produce(original, {"job": spec}, {"job": file}, MAX_PIXELS, assets=assets)
    if isinstance(end.result, Exception):
        raise click.ClickException(f"{example.title}: {end.result}") from end.result
    return f"{example.file}.{RESULT_FORMATS[end.result.format].extension}", file.getvalue()


def page(pictures: dict[str, Path]) -> Iterable[str]:
    """The lines of the page. `pictures`: the name of each without extension -> its file."""
    yield INTRODUCTION
    for heading, examples in SECTIONS.items():
        yield f"## {heading}\n"
        for example in examples:
            yield f"### {example.title}\n"
            picture = pictures[example.file]
            yield f"![](pictures/{picture.name})\n"
            if "output" in example.job:
                yield f"{picture.stat().st_size:,} bytes\n"
            yield f"```json\n{json.dumps(example.job, ensure_ascii=False)}\n```\n"


if __name__ == "__main__":
    main()
