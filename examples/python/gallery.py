"""Makes a web gallery of a folder of photos: a thumbnail and a large picture of each, and a page that shows them.

python gallery.py PHOTOS GALLERY
"""

from __future__ import annotations

import os
import sys
from html import escape
from pathlib import Path

from darkroom.client import Client, ClientError

JPEG = {"format": "jpeg"}

JOBS = [
    {"name": "thumbnail", "type": "resize", "width": 300, "height": 300, "fit": "cover", "output": JPEG},
    {"name": "large", "type": "resize", "width": 1600, "without_enlargement": True, "output": JPEG},
]

LARGE = 32 * 1024 * 1024
"""Bytes from which a photo is sent in parts: after a lost connection only the missing ones are sent again."""


def upload(darkroom: Client, path: Path) -> str:
    """Upload a photo. Returns its id."""
    if path.stat().st_size >= LARGE:
        return darkroom.upload_large(path, jobs=JOBS)["id"]
    return darkroom.upload(path, jobs=JOBS, dedupe=True)["id"]  # run again, it finds what it uploaded before


def add_to_gallery(darkroom: Client, photo: str, title: str, gallery: Path) -> str:
    """Wait until the jobs of a photo have ended, and save their results. Returns the HTML that shows them."""
    darkroom.wait(photo)
    thumbnail = darkroom.result(photo, "thumbnail", to=gallery / f"{photo}-thumbnail.jpg")
    large = darkroom.result(photo, "large", to=gallery / f"{photo}-large.jpg")
    image = f'<img src="{thumbnail.name}" width="300" height="300" alt="{escape(title)}">'
    return f'<a href="{large.name}">{image}</a>'


def main(photos: Path, gallery: Path) -> int:
    """Returns how many photos are missing in the gallery."""
    gallery.mkdir(parents=True, exist_ok=True)
    paths = sorted(path for path in photos.iterdir() if path.is_file())
    uploaded, shown = {}, []
    url = os.environ.get("DARKROOM_URL", "http://127.0.0.1:8080")
    with Client(url, os.environ.get("DARKROOM_API_KEY")) as darkroom:
        for path in paths:  # all first: workers process them at the same time
            try:
                uploaded[path] = upload(darkroom, path)
            except ClientError as error:
                print(f"{path.name}: {error}", file=sys.stderr)
        for path, photo in uploaded.items():
            try:
                shown.append(add_to_gallery(darkroom, photo, path.stem, gallery))
            except ClientError as error:
                print(f"{path.name}: {error}", file=sys.stderr)
    page = ["<!DOCTYPE html>", '<html lang="en">', '<meta charset="utf-8">', "<title>Gallery</title>", *shown]
    (gallery / "index.html").write_text("\n".join(page) + "\n")
    print(f"{gallery / 'index.html'}: {len(shown)} of {len(paths)} photos")
    return len(paths) - len(shown)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python gallery.py PHOTOS GALLERY")
    sys.exit(1 if main(Path(sys.argv[1]), Path(sys.argv[2])) else 0)
