"""Read and check presets.toml: named lists of jobs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from darkroom.errors import SettingsError
from darkroom.jobs.faults import faults_of
from darkroom.jobs.job_types import Jobs
from darkroom.jobs.json_text import decoded
from darkroom.jobs.spec import Name, Spec
from darkroom.settings import PREFIX, Settings

if TYPE_CHECKING:
    from pathlib import Path


class Preset(Spec):
    """A named list of jobs."""

    description: str = ""
    jobs: Jobs


Presets = Mapping[str, Preset]

_presets: TypeAdapter[dict[str, Preset]] = TypeAdapter(dict[Name, Preset])


def read_presets(settings: Settings) -> Presets:
    """Read the presets file. Raises SettingsError that lists every fault with its preset and field."""
    path = settings.presets_file
    presets = _read(path)
    if settings.default_preset not in presets:
        raise SettingsError(
            f"{PREFIX}DEFAULT_PRESET is {settings.default_preset!r}, but the presets in {path} are: "
            f"{', '.join(presets) or 'none'}"
        )
    return presets


def _read(path: Path) -> dict[str, Preset]:
    try:
        return _presets.validate_python(tomllib.loads(decoded(path.read_bytes())))
    except OSError as error:
        raise SettingsError(f"{PREFIX}PRESETS_FILE: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{PREFIX}PRESETS_FILE: {path} is not text in UTF-8") from error
    except ValueError as error:
        if isinstance(error, ValidationError):
            faults = [f"  {fault.field}: {fault.detail}" for fault in faults_of(error)]
            raise SettingsError(f"{path} is wrong:\n" + "\n".join(faults)) from error
        raise SettingsError(f"{PREFIX}PRESETS_FILE: {path} is not TOML: {error}") from error
