"""Which files become photos, of which owner and with which jobs."""

from __future__ import annotations

import json

import pytest

from darkroom.errors import (
    IngestRefused,
    IngestUnknown,
    MessageError,
)
from darkroom.jobs.job_types import jobs_adapter
from darkroom.owners import Owners
from darkroom.presets import Preset
from darkroom.record.messages import IngestMessage
from tests.support.notifications import AT, created
from worker.ingest.notifications import read_body
from worker.ingest.rules import IngestRules

PRESETS = {"web": Preset(jobs=jobs_adapter.validate_python([{"type": "metadata"}]))}
OPEN = IngestRules(PRESETS, Owners())
KEYS = IngestRules(PRESETS, Owners(keys={"0" * 64: "alice"}, callback_urls={"alice": "https://example.com/"}))


def test_the_folders_of_a_dropped_file_name_its_owner_and_preset() -> None:
    drop = KEYS.from_notification(created("incoming/alice/web/2026/x.jpg"))
    assert drop is not None
    assert (drop.owner, drop.key, drop.jobs) == ("alice", "incoming/alice/web/2026/x.jpg", PRESETS["web"].jobs)
    assert (drop.etag, drop.at, drop.callback_url) == ("e", AT, "https://example.com/")


@pytest.mark.parametrize("key", ["incoming/alice/x.jpg", "incoming/alice/web/", "incoming/alice/", "incoming/"])
def test_a_folder_or_a_file_without_a_preset_is_not_imported(key: str) -> None:
    assert KEYS.from_notification(created(key)) is None


@pytest.mark.parametrize(
    ("rules", "key", "reason"),
    [
        (OPEN, "incoming/bo b/web/x.jpg", "not a valid owner"),
        (OPEN, "incoming//web/x.jpg", "not a valid owner"),
        (OPEN, "incoming/x.jpg", "put files into incoming/{owner}/{preset}/"),
        (OPEN, "incoming/bob/web/../../alice/web/x.jpg", "give the object another key"),
    ],
)
def test_a_file_with_a_wrong_key_is_refused(rules: IngestRules, key: str, reason: str) -> None:
    with pytest.raises(IngestRefused, match=reason.replace("{", r"\{").replace("..", r"\.\.")):
        rules.from_notification(created(key))


@pytest.mark.parametrize(
    ("rules", "key", "reason"),
    [
        (KEYS, "incoming/bob/web/x.jpg", "there is no owner bob"),
        (KEYS, "incoming/Alice/web/x.jpg", "there is no owner Alice"),
        (OPEN, "incoming/bob//x.jpg", "there is no preset ''; the presets are web"),
        (OPEN, "incoming/bob/WEB/x.jpg", "there is no preset 'WEB'; the presets are web"),
    ],
)
def test_a_file_of_an_unknown_owner_or_preset_raises_ingest_unknown(rules: IngestRules, key: str, reason: str) -> None:
    with pytest.raises(IngestUnknown, match=reason):
        rules.from_notification(created(key))


def test_without_api_keys_any_owner_may_drop_files() -> None:
    assert OPEN.from_notification(created("incoming/bob/web/x.jpg")) is not None


def test_a_request_may_only_name_a_file_of_its_owner() -> None:
    def asked(key: str) -> IngestMessage:
        return IngestMessage(kind="ingest", owner="alice", key=key, preset="web", trace="t", at=1_790_000_000_123)

    drop = KEYS.from_request(asked("incoming/alice/x.jpg"))
    assert (drop.owner, drop.trace, drop.etag) == ("alice", "t", None)
    assert drop.photo == KEYS.from_request(asked("incoming/alice/x.jpg")).photo
    assert drop.photo != KEYS.from_request(asked("incoming/alice/y.jpg")).photo
    for key in ("incoming/bob/x.jpg", "incoming/alice", "incoming/alice/", "incoming/alice2/x.jpg", "originals/x"):
        with pytest.raises(IngestRefused, match="name an object under incoming/alice/"):
            KEYS.from_request(asked(key))


def test_a_request_has_a_time_that_python_can_represent() -> None:
    def asked(at: int) -> str:
        return json.dumps(
            {"v": 1, "kind": "ingest", "owner": "bob", "key": "incoming/bob/x", "preset": "web", "at": at}
        )

    latest = read_body(asked(253_402_300_799_999))
    assert isinstance(latest, IngestMessage)
    assert OPEN.from_request(latest).at.year == 9999
    with pytest.raises(MessageError, match="at: "):
        read_body(asked(253_402_300_800_000))
