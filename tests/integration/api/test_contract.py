"""The API under attack: schemathesis makes requests from the OpenAPI document, sound and unsound ones.

Whatever comes: no 5xx, no status that the document does not name for that operation, every body and header as it says;
what fits the document is taken, what does not is refused, and what was deleted stays away. CI makes a few requests of
each kind, always the same ones; `make attack` makes more, other ones each time (ATTACK_REQUESTS, ATTACK_SEED).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from darkroom.errors import ChildDied
from darkroom.owners import hash_of, new_key
from tests.support.exhaustive import matrix

REQUESTS = int(os.environ.get("ATTACK_REQUESTS", "10"))
"""To each operation while the tool fuzzes, and as many sequences of requests. Limits and borders come on top."""

SEED = os.environ.get("ATTACK_SEED", "1")

ALICE, BOB = new_key(), new_key()

TAKING_AWAY = ["deletePhoto", "redriveDeadLetter", "purgeDeadLetter", "redriveDeadLetters", "purgeDeadLetters"]
"""They leave nothing for the others to be tried on: each has a photo and a run of its own."""

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "sound_requests_are_taken",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ignored_auth",
]


@pytest.fixture(scope="module")
def keyed(start_api: Any) -> Any:
    owners = f"alice:{hash_of(ALICE)} bob:{hash_of(BOB)}"
    # Nobody works on the photos: whoever waits for them waits as long as is allowed.
    return start_api(DARKROOM_API_KEYS=owners, DARKROOM_RATE_LIMIT="off", DARKROOM_MAX_WAIT="0.1")


def key(of: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {of}"}


def taken(api: Any, picture: bytes, headers: dict[str, str], dead: bool = False) -> dict[str, str]:
    """The ids of a photo that is there, so that more than 404 is answered; with `dead`, of one that was given up."""
    asked = {"params": {"preset": "web"}, "data": picture, "headers": headers | {"Content-Type": "image/jpeg"}}
    answer = api.post("/v1/photos", **asked)
    assert answer.status_code == 202, answer.text
    photo = answer.json()
    (order,) = api.record(photo["id"]).orders
    if dead:
        api.end(photo["id"], lambda record: record.bury(record.claim(order, 5, 90, 300), ChildDied()))
    return {"photo_id": photo["id"], "job_id": photo["jobs"][0]["id"], "order_id": order}


def known(ids: dict[str, str], probability: float) -> str:
    """Configuration: these ids stand in the address, but for a part of the requests."""
    lists = [f'[dictionaries.{field}]\nvalues = ["{value}"]' for field, value in ids.items()]
    uses = [f'"path.{field}" = {{ dictionary = "{field}", probability = {probability} }}' for field in ids]
    return "\n".join([*lists, "[parameters]", *uses])


def attack(folder: Path, api: Any, configuration: str, *options: str, checks: list[str]) -> None:
    """Run schemathesis' own command. Of what it finds it says how to do it again."""
    (folder / "attack.toml").write_text(configuration)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", "attack.toml", "run"),
        *(f"{api.url}/openapi.json", "--url", api.url, "--checks", ",".join(checks), "--continue-on-failure"),
        *("--max-examples", str(REQUESTS), "--seed", SEED, "--no-color", *options),
    ]
    environ = os.environ | {"SCHEMATHESIS_HOOKS": "tests.support.attack"}
    environ["PYTHONPATH"] = str(Path(__file__).parents[3])
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 generated" not in done.stdout
    assert api.get("/healthz").ok
    assert not api.logged("request.failed")
    assert not list(api.settings.spool_dir.iterdir())


def test_the_document_names_every_status_itself(api: Any) -> None:
    for path, operations in api.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            statuses = operation["responses"].keys()
            assert all(status.isdigit() for status in statuses), f"{method} {path}: {statuses}"


def answered(api: Any, path: str) -> set[int]:
    return {line["status"] for line in api.logged("request.answered") if line["path"] == path}


@pytest.mark.exhaustive
def test_every_answer_is_as_documented(keyed: Any, picture: bytes, tmp_path: Path) -> None:
    photo = taken(keyed, picture, key(ALICE), dead=True)
    options = [word for name in TAKING_AWAY for word in ("--exclude-operation-id", name)]

    attack(
        *(tmp_path, keyed, known(photo, 0.8), *options, "-H", f"Authorization: Bearer {ALICE}"),
        checks=CHECKS,
    )

    path = "/v1/photos/{photo_id}".format(**photo)
    for one in (path, f"{path}/jobs", f"{path}/jobs/{photo['job_id']}"):
        assert 200 in answered(keyed, one), "the ids that are known were used"


@pytest.mark.parametrize("operation", matrix(TAKING_AWAY, keep=["deletePhoto"]))
def test_what_takes_away_answers_as_documented(api: Any, picture: bytes, tmp_path: Path, operation: str) -> None:
    """Without API keys, too."""
    photo = taken(api, picture, {}, dead=True)
    dead_letter = "/v1/dead-letters/{photo_id}/{order_id}".format(**photo)
    assert api.get(dead_letter).ok
    options = ["--include-operation-id", operation, "--phases", "coverage,fuzzing"]

    attack(tmp_path, api, known(photo, 0.5), *options, checks=CHECKS)

    assert api.get(dead_letter).status_code == 404


@pytest.mark.exhaustive
def test_another_owners_ids_are_answered_as_unknown(keyed: Any, picture: bytes, tmp_path: Path) -> None:
    photo = taken(keyed, picture, key(ALICE), dead=True)
    before = keyed.record(photo["photo_id"])
    options = ["--include-path-regex", "{", "--mode", "positive", "--phases", "fuzzing"]

    attack(
        *(tmp_path, keyed, known(photo, 1), *options, "-H", f"Authorization: Bearer {BOB}"),
        checks=["not_a_server_error", "status_code_conformance", "strangers_see_nothing"],
    )

    assert keyed.record(photo["photo_id"]) == before
