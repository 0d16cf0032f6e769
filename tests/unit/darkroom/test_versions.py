"""`darkroom versions`: what it lists is complete."""

from __future__ import annotations

import json
import platform
import re
import sys
import tomllib

import PIL
import pytest
from click.testing import CliRunner
from PIL import features

import darkroom
from darkroom.cli.main import main
from darkroom.settings import PROJECT
from darkroom.versions import EXTRAS, PACKAGES, Installation, installation


@pytest.fixture(scope="module")
def found() -> Installation:
    return installation()


def test_every_library_of_pillow_is_listed_with_a_number(found: Installation) -> None:
    assert found.libraries.keys() >= set(features.get_supported())
    assert found.libraries["pil"] == PIL.__version__
    assert {name: number for name, number in found.libraries.items() if not re.match(r"\d+\.\d", number or "")} == {}


def test_every_codec_of_avif_and_heic_is_listed(found: Installation) -> None:
    """Codecs that the wheels have today. A codec that replaces one of them belongs into the list."""
    assert found.libraries.keys() >= {"avif", "dav1d", "aom", "libheif", "libde265", "x265"}


def test_every_shared_library_in_the_wheels_is_listed(found: Installation) -> None:
    folders = [
        folder
        for path in PIL.__path__
        for name in ("pillow*.libs", "exiv2.libs")
        for folder in (PROJECT / path).parent.glob(name)
    ]
    files = [file.name for folder in folders for file in folder.iterdir()]
    assert files or sys.platform != "linux"
    assert {name.rpartition("-")[0] + ".so" for name in files} == found.files.keys()


def test_the_packages_are_the_dependencies(found: Installation) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    names = [re.match(r"[\w-]+", dependency) for dependency in (*project["dependencies"], *optional["services"])]
    assert [name[0] for name in names if name] == list(PACKAGES)
    has_wheel = sys.platform == "linux" and platform.machine() == "x86_64"
    extras = [re.match(r"[\w-]+", name) for name in (*optional["metadata"], *optional["jxl"], *optional["cdn"])]
    assert [name[0] for name in extras if name] == list(EXTRAS)
    missing = {name for name, version in found.packages.items() if version is None}
    assert missing == (set() if has_wheel else {"cykooz-resizer"})


def test_the_command_prints_a_table() -> None:
    result = CliRunner().invoke(main, ["versions"])

    assert result.exit_code == 0
    lines = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    assert lines[:2] == [["PART", "NAME", "VERSION"], ["darkroom", "darkroom", darkroom.__version__]]
    assert {part for part, _, _ in lines[1:]} == {"darkroom", "system", "packages", "libraries", "files"}


def test_the_command_prints_json(found: Installation) -> None:
    result = CliRunner().invoke(main, ["versions", "--json"])

    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert printed["darkroom"] == darkroom.__version__
    assert printed["libraries"] == found.libraries
    assert printed["system"]["python"] == ".".join(map(str, sys.version_info[:3]))


def test_a_package_that_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.versions.PACKAGES", ("pillow", "no-such-package"))
    result = CliRunner().invoke(main, ["versions"])

    assert ["packages", "no-such-package", "missing"] in [line.split() for line in result.stdout.splitlines()]
