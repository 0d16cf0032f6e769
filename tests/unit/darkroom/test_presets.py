from __future__ import annotations

from pathlib import Path

import pytest

from darkroom.errors import SettingsError
from darkroom.presets import read_presets
from darkroom.settings import Settings


def presets_file(folder: Path, text: str) -> Settings:
    path = folder / "presets.toml"
    path.write_text(text)
    return Settings(presets_file=path)


def test_the_shipped_presets_are_valid() -> None:
    presets = read_presets(Settings())

    assert [job.type for job in presets["web"].jobs] == ["resize", "resize", "resize", "metadata"]
    assert all(preset.description for preset in presets.values())


def test_every_fault_names_preset_and_field(tmp_path: Path) -> None:
    settings = presets_file(
        tmp_path,
        """
        [web]
        jobs = [{ type = "metadata" }, { type = "resize", width = 0 }]
        [other]
        text = "?"
        jobs = []
        """,
    )

    with pytest.raises(SettingsError) as caught:
        read_presets(settings)

    assert str(settings.presets_file) in str(caught.value)
    for place in ("web.jobs[1].width: ", "other.text: ", "other.jobs: "):
        assert place in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[web]\njobs = [", "is not TOML"),
        ('[thumbs]\njobs = [{ type = "metadata" }]', "DARKROOM_DEFAULT_PRESET is 'web', but"),
        ('["no spaces"]\njobs = [{ type = "metadata" }]', "no spaces"),
    ],
)
def test_an_unusable_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_presets(presets_file(tmp_path, text))


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    assert list(read_presets(presets_file(tmp_path, '\ufeff[web]\njobs = [{ type = "metadata" }]'))) == ["web"]


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    settings = presets_file(tmp_path, "")
    settings.presets_file.write_bytes('[web] # "Größe"'.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"is not text in UTF-8$"):
        read_presets(settings)


@pytest.mark.parametrize(("value", "shown"), [("true", "true"), ('"8"', '"8"'), ("8.5", "8.5")])
def test_a_preset_takes_numbers_as_strictly_as_a_request(tmp_path: Path, value: str, shown: str) -> None:
    settings = presets_file(tmp_path, f'[web]\njobs = [{{ type = "resize", width = {value} }}]')
    with pytest.raises(SettingsError, match=f"web.jobs.0..width: must be a whole number, not {shown}"):
        read_presets(settings)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DARKROOM_PRESETS_FILE: cannot read"):
        read_presets(Settings(presets_file=tmp_path / "none.toml"))
