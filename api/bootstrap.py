"""What gunicorn (api/__main__.py) and Lambda (api/lambda_function.py) both do before they start the API."""

from __future__ import annotations

import os

from api.access import auth
from darkroom.owners import Owners, auth_mode
from darkroom.presets import read_presets
from darkroom.services import Services
from darkroom.settings import Settings, prepare_spool
from darkroom.sniff import accept_extra_inputs, set_pixel_limit


def prepare(settings: Settings, owners: Owners, reached_at: str) -> Services:
    """Check the whole environment, and set what applies to the whole process.

    `reached_at`: the API's address, for people. Raises SettingsError. Makes no network request, except for credentials
    if boto3 has to fetch them.
    """
    read_presets(settings)
    auth_mode(settings, owners)
    services = Services.connect(settings)
    prepare_spool(settings)
    auth.warn_if_off(settings, owners, os.environ, reached_at)
    set_pixel_limit(settings.max_pixels)
    accept_extra_inputs(settings.extra_inputs)
    return services
