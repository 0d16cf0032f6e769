"""The names of folders and files that `darkroom upload --out` and `darkroom download` write."""

from __future__ import annotations

from pathlib import Path

import pytest

from darkroom.cli.saving import safe_name
from darkroom.cli.upload import folders_for


def test_folders_never_collide() -> None:
    names = ["a.jpg", "b.jpg", "b.heic", "c.jpg", "c/d.jpg", "E.jpg", "e.jpg", "x/..jpg", "...jpg"]
    folders = [str(folder) for folder in folders_for([Path(name) for name in names])]
    assert folders == ["a", "b.jpg", "b.heic", "c.jpg", "c/d", "E.jpg", "e-2.jpg", "x/..jpg", "...jpg"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("beach-800.jpg", "beach-800.jpg"),
        ("café €.jpg", "café €.jpg"),
        ('say "hi"\x1b.jpg', "say _hi__.jpg"),
        ("..\\..\\x.jpg", "x.jpg"),
        ("../../etc/passwd", "passwd"),
        (".bashrc", "bashrc"),
        ("..", ""),
        ("", ""),
    ],
)
def test_names_of_results_stay_in_their_folder(name: str, safe: str) -> None:
    assert safe_name(name) == safe
