"""How commands talk to the API: with the client, and with its errors as errors of the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from darkroom.cli.terminal import SayOnce
from darkroom.errors import DarkroomError

if TYPE_CHECKING:  # it takes a tenth of a second, and most commands do not need it
    from darkroom.client import BatchJson, Client, PhotoJson


@contextmanager
def connected(url: str, api_key: str | None, patience: int = 2) -> Iterator[Client]:
    """A client of the API. Raises DarkroomError, with advice, in place of the client's errors."""
    from darkroom.cli.advice import advised
    from darkroom.client import Client, ClientError

    try:
        with Client(url, api_key, patience=patience, on_busy=SayOnce()) as client:
            yield client
    except ClientError as error:
        raise DarkroomError(advised(error)) from error


def known_photo(client: Client, photo_id: str) -> PhotoJson:
    """The photo with the id that the user has typed. Raises DarkroomError that names the id if there is none."""
    from darkroom.client import ResourceMissing

    try:
        return client.photo(photo_id)
    except ResourceMissing as error:
        raise DarkroomError(f"there is no photo {photo_id} at {client.url}") from error


def known_batch(client: Client, batch_id: str) -> BatchJson:
    """The batch with the id that the user has typed. Raises DarkroomError that names the id if there is none."""
    from darkroom.client import ResourceMissing

    try:
        return client.batch(batch_id)
    except ResourceMissing as error:
        raise DarkroomError(f"there is no batch {batch_id} at {client.url}") from error
