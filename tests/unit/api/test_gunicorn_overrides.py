"""api/http/gunicorn_overrides.py overrides private methods of gunicorn: these tests fail when gunicorn changes them."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from importlib.metadata import version

import pytest
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.http import body, message, parser, unreader, wsgi  # type: ignore[import-untyped]
from gunicorn.workers import base, gthread  # type: ignore[import-untyped]

from api.http.gunicorn_overrides import GunicornLog, Parser, Worker

PLACES = {"ThreadWorker": gthread.ThreadWorker, "Worker": base.Worker, "Logger": Logger}
PLACES |= {"gthread": gthread, "Parser": parser.Parser, "Unreader": unreader.Unreader, "wsgi": wsgi}
PLACES |= {"HeaderPolicy": message.HeaderPolicy, "Response": wsgi.Response, "body": body}

OVERRIDDEN = {
    "ThreadWorker.__init__": "5681b8b542ea",
    "ThreadWorker.enqueue_req": "c9f428953d24",
    "ThreadWorker.handle_error": "75426448389b",
    "ThreadWorker.finish_request": "616e7bb15a00",
    "ThreadWorker.handle": "ca85c9be3df7",
    "ThreadWorker.on_client_socket_readable": "aead1a3ea7b7",
    "ThreadWorker.murder_pending": "7bf11f464542",
    "ThreadWorker.handle_request": "6d0de5b91910",
    "Parser.__next__": "b8536520e958",
    "Logger.setup": "17c79acdddea",
    "Logger.exception": "091e2238cd98",
}
RELIED_ON = {
    "body.LengthReader": "3b01bc7c21a2",
    "Parser.finish_body": "54c5d0d28c26",
    "Unreader.take_buffered": "89cef5e60e6f",
    "HeaderPolicy._apply_header_policy": "ac812cc2fe6b",
    "Response.sendfile": "417ea65fb9a1",
    "wsgi.create": "2c35d4a2dc62",
    "gthread.TConn": "e3a2878ba952",
    "ThreadWorker._keepalive_after": "4ebdbbc8bf5a",
    "ThreadWorker.accept": "f8dcead3dce5",
    "ThreadWorker.on_pending_socket_readable": "2475f7087832",
    "ThreadWorker.murder_keepalived": "4459960c4ccc",
    "ThreadWorker.wait_for_and_dispatch_events": "ea969b352482",
    "ThreadWorker.run": "f92c7394d857",
}
"""gunicorn's code that the overrides are written for: a hash of each one's source."""


def source_hash(name: str) -> str:
    """Empty when gunicorn has no such function or class."""
    place, _, attribute = name.partition(".")
    found = getattr(PLACES[place], attribute, None)
    return hashlib.sha256(inspect.getsource(found).encode()).hexdigest()[:12] if found else ""


def changed(known: Mapping[str, str]) -> list[str]:
    return [name for name, digest in known.items() if source_hash(name) != digest]


def test_gunicorn_is_as_it_was_when_the_overrides_were_written() -> None:
    names = changed(OVERRIDDEN | RELIED_ON)

    assert not names, (
        f"gunicorn {version('gunicorn')} changed {', '.join(names)}. Compare each one with the release before and with "
        "api/http/gunicorn_overrides.py, adapt the overrides, then write these hashes into this file: "
        f"{ {name: source_hash(name) for name in names} }"
    )


def test_every_override_is_watched() -> None:
    overrides = {
        f"{parent.__name__}.{name}"
        for ours, parent in ((Worker, gthread.ThreadWorker), (Parser, parser.Parser), (GunicornLog, Logger))
        for name, value in vars(ours).items()
        if inspect.isfunction(value) and hasattr(parent, name)
    }

    assert overrides == OVERRIDDEN.keys()


@pytest.mark.parametrize("name", ["ThreadWorker.finish_request", "ThreadWorker.removed_by_gunicorn"])
def test_what_changed_or_was_removed_is_named(name: str) -> None:
    assert changed(OVERRIDDEN | {name: "0" * 12}) == [name]
