"""`darkroom dead-letters`, against an AWS with dead letters of two owners."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner, Result

from darkroom.cli.main import main
from darkroom.errors import AttemptsExhausted, DarkroomError, OutOfMemory
from darkroom.record.ids import new_id
from darkroom.record.messages import OrderMessage
from darkroom.record.photo import PhotoRecord
from tests.support.stack import Stack

METADATA = {"type": "metadata"}


@pytest.fixture
def dead(stack: Stack, picture: bytes) -> list[PhotoRecord]:
    """Three, buried in this order: ann's, which was out of memory, and two of bob's."""
    return [
        bury(stack, picture, "ann", OutOfMemory("the decoder ran out of memory at 900 MB")),
        bury(stack, picture, "bob", AttemptsExhausted("tried 5 times")),
        bury(stack, picture, "bob", AttemptsExhausted("tried 5 times")),
    ]


def bury(stack: Stack, picture: bytes, owner: str, error: DarkroomError) -> PhotoRecord:
    photo = stack.record(picture, [METADATA], owner)
    (order,) = photo.orders
    photo.bury(photo.claim(order, 5, 90, 300), error)
    stack.services.table.create(photo)
    return photo


def message_of(photo: PhotoRecord) -> str:
    (order,) = photo.orders
    return OrderMessage.of(photo, order).model_dump_json()


def id_of(photo: PhotoRecord) -> str:
    (order,) = photo.orders
    return f"{photo.id}/{order}"


def run(stack: Stack, *arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(main, ["dead-letters", *arguments], env=stack.environ, input=text)


def done(stack: Stack, *arguments: str, text: str | None = None) -> str:
    result = run(stack, *arguments, text=text)
    assert result.exit_code == 0, result.output
    return result.stdout


def listed(stack: Stack, *arguments: str) -> list[str]:
    return [one["id"] for one in json.loads(done(stack, "list", "--json", *arguments))["dead_letters"]]


def statuses(stack: Stack, photos: list[PhotoRecord]) -> list[str]:
    return [stack.look(photo).status for photo in photos]


def test_the_list_has_all_owners_the_latest_first(stack: Stack, dead: list[PhotoRecord]) -> None:
    printed = done(stack, "list")
    lines = printed.splitlines()
    assert lines[0].split() == ["BURIED", "(UTC)", "OWNER", "ID", "FILE", "REASON", "ATTEMPTS", "EXPIRES"]
    assert [photo.id in line for line, photo in zip(lines[1:], reversed(dead), strict=False)] == [True] * 3
    assert "out_of_memory" in lines[3]
    assert "3 dead letters." in printed
    assert "holds about 0 messages" in printed


def test_the_list_can_be_narrowed(stack: Stack, dead: list[PhotoRecord]) -> None:
    ann, *bobs = map(id_of, dead)
    assert listed(stack, "--owner", "bob") == bobs[::-1]
    assert listed(stack, "--code", "out_of_memory") == [ann]
    assert "3 dead letters; these are the newest 1." in done(stack, "list", "--limit", "1")


def test_nothing_is_a_list_too(stack: Stack) -> None:
    assert "0 dead letters." in done(stack, "list")


def test_one_is_shown_with_the_errors_of_its_attempts(stack: Stack, dead: list[PhotoRecord]) -> None:
    for name in (id_of(dead[0]), dead[0].id):
        printed = done(stack, "show", name)
        assert "out_of_memory: the decoder ran out of memory at 900 MB" in printed
        assert "JOB" in printed
        assert "ATTEMPT" in printed
    (shown,) = json.loads(done(stack, "show", dead[0].id, "--json"))
    assert (shown["id"], shown["reason"]["code"]) == (id_of(dead[0]), "out_of_memory")


def test_some_are_queued_again_by_reason(stack: Stack, dead: list[PhotoRecord]) -> None:
    assert "2 dead letters queued again." in done(stack, "redrive", "--code", "attempts_exhausted")
    assert statuses(stack, dead) == ["failed", "processing", "processing"]
    sent = {json.loads(body)["photo"] for body in stack.receive(stack.services.photos)}
    assert sent == {photo.id for photo in dead[1:]}


def test_some_are_queued_again_by_id_or_owner(stack: Stack, dead: list[PhotoRecord]) -> None:
    printed = done(stack, "redrive", dead[0].id, id_of(dead[1]), "--json")
    assert json.loads(printed)["redriven"] == [id_of(dead[0]), id_of(dead[1])]
    assert "1 dead letter queued again." in done(stack, "redrive", "--all", "--owner", "bob")


def test_a_purge_asks_first(stack: Stack, dead: list[PhotoRecord]) -> None:
    refused = run(stack, "purge", "--all", text="n\n")
    assert refused.exit_code == 1
    assert "Drop 3 dead letters for good?" in refused.stderr
    assert len(listed(stack)) == 3
    assert "2 dead letters purged." in done(stack, "purge", "--code", "attempts_exhausted", text="y\n")
    assert "1 dead letter purged." in done(stack, "purge", id_of(dead[0]), "--yes")
    assert listed(stack) == []
    assert statuses(stack, dead) == ["failed"] * 3


def test_messages_without_a_record_lie_only_in_the_queue(stack: Stack, picture: bytes, dead: list[PhotoRecord]) -> None:
    queue = stack.services.photos.dead_letters
    unknown = stack.record(picture, [METADATA])
    queue.send(message_of(unknown), "ann", "1", {"code": "not_found", "reason": "none"})
    queue.send("what is\x09this?", "ann", "2")
    queue.send(message_of(dead[0]), "ann", "3", copy_of(dead[0]))
    printed = done(stack, "list", "--messages")
    assert "3 dead letters; 2 messages without a record." in printed
    assert "what is\ufffdthis?" in printed
    assert "not_found: none" in printed
    assert "holds about 3 messages" in printed  # they were given back
    assert "0 dead letters purged; 2 messages without a record deleted." in done(stack, "purge", "--messages", "--yes")
    assert len(stack.receive(queue)) == 1
    assert len(listed(stack)) == 3


def test_files_that_could_not_be_brought_in_are_listed_too(stack: Stack) -> None:
    queue = stack.services.ingest.dead_letters
    queue.send("{}", "x", "1", {"code": "ingest_refused", "reason": "put files into incoming/{owner}/{preset}/"})
    assert "--messages shows them and the reasons" in done(stack, "list")
    printed = done(stack, "list", "--messages")
    assert "1 message without a record" in printed
    assert "ingest_refused: put files into incoming/{owner}/{preset}/" in printed
    assert f"{queue.name} holds about 1 message;" in printed
    assert queue.name in run(stack, "purge", "--messages", text="n\n").stderr
    assert "1 message without a record deleted." in done(stack, "purge", "--messages", "--yes")
    assert stack.receive(queue) == []


def test_messages_of_one_owner_alone_are_not_deleted(stack: Stack) -> None:
    queue = stack.services.photos.dead_letters
    queue.send("what is this?", "ann", "1")
    assert run(stack, "purge", "--messages", "--owner", "bob", "--yes").exit_code == 2
    assert len(stack.receive(queue)) == 1


def test_a_selection_that_finds_nothing_is_a_failure(stack: Stack) -> None:
    result = run(stack, "purge", "--all", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["purged"] == []
    assert run(stack, "redrive", "--code", "attempts_exhausted", "--json").exit_code == 1


def copy_of(photo: PhotoRecord) -> dict[str, str]:
    (order,) = photo.orders.values()
    return {"code": "out_of_memory", "reason": "at 900 MB", "fence": str(order.fence)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["redrive"], "name the dead letters with exactly one of"),
        (["purge", "--yes"], "name the dead letters with exactly one of"),
        (["redrive", "--all", "--code", "x"], "name the dead letters with exactly one of"),
        (["purge", "--messages", "--owner", "bob", "--yes"], "does not go with --owner or --code"),
        (["list", "--messages", "--code", "x"], "does not go with --owner or --code"),
        (["list", "--owner", "b/b"], "is not a valid owner"),
        (["redrive", "--all", "--owner", "bbo"], "There is no dead letter of the owner bbo."),
        (["purge", "--code", "x", "--yes"], "There is no dead letter with the reason x."),
        (["purge", "--all"], "There is no dead letter."),
        (["show", "42"], "is not an id"),
        (["redrive", "0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88"], "there is no photo 0198c5f2"),
        (["show", f"{new_id()}/{new_id()}"], "there is no photo"),
    ],
)
def test_what_is_wrong_is_said(stack: Stack, arguments: list[str], said: str) -> None:
    result = run(stack, *arguments)
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert "Traceback" not in result.output


def command(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    asked: list[Any] = [sys.executable, "-m", "darkroom", "dead-letters", *arguments]
    return subprocess.run(asked, env=environ, capture_output=True, text=True, check=False)


def test_aws_that_is_not_there_is_said(stack: Stack) -> None:
    away = command(stack.environ | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "list")
    assert away.returncode == 1
    assert "The request went to http://127.0.0.1:1" in away.stderr
    unmade = command(stack.environ | {"DARKROOM_STACK": "never-made"}, "redrive", "--all")
    assert unmade.returncode == 1
    assert "darkroom provision" in unmade.stderr
    assert "Traceback" not in away.stderr + unmade.stderr
