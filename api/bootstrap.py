"""What every way to start the API does first: gunicorn (api/__main__.py) and Lambda (api/lambda_function.py)."""

from __future__ import annotations

import os

from api.access import auth
from darkroom.owners import Owners, auth_mode
from darkroom.presets import read_presets
from darkroom.services import Services
from darkroom.settings import Settings, prepare_spool
from darkroom.sniff import set_pixel_limit


def prepare(settings: Settings, owners: Owners, reached_at: str) -> Services:
    """Find whatever can be wrong with the environment, and set what holds for the whole process.

    `reached_at`: where callers come in, for people. Raises SettingsError. Asks for nothing but, where boto3 has to
    ask for them, credentials.
    """
    read_presets(settings)
    auth_mode(settings, owners)
    services = Services.connect(settings)
    prepare_spool(settings)
    auth.warn_if_off(settings, owners, os.environ, reached_at)
    set_pixel_limit(settings.max_pixels)
    return services
