"""`darkroom dead-letters`: for operators, for all owners. Talks to AWS with the settings of the services."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from darkroom.cli.dead_letter_tables import say_list, say_one
from darkroom.cli.terminal import asking, counted, say, say_table
from darkroom.errors import Conflict, NotFound, Unavailable

if TYPE_CHECKING:
    from darkroom.record.dead_letter_views import DeadLetterView
    from darkroom.redrive import DeadLetters, DeadOrder
    from darkroom.services import Services

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(/[0-9a-f-]{36})?")

MOST_MESSAGES = 10_000
"""Most messages to read from a queue to find those without a record."""

Command = Callable[..., None]


def _checked_ids(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...] | str) -> tuple[str, ...]:
    ids = tuple(value.lower() for value in ([values] if isinstance(values, str) else values))
    for id_ in ids:
        if not ID.fullmatch(id_):
            raise click.BadParameter(
                f"{id_!r} is not an id: expected PHOTO, or PHOTO/ORDER as `dead-letters list` shows it"
            )
    return ids


_one_id: Callable[[Command], Command] = click.argument("ids", metavar="ID", callback=_checked_ids)
_ids: Callable[[Command], Command] = click.argument("ids", metavar="[ID]...", nargs=-1, callback=_checked_ids)


def _checked_owner(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    from darkroom.owners import OWNER_RULE, is_owner

    if value is not None and not is_owner(value):
        raise click.BadParameter(f"that is not a valid owner; expected {OWNER_RULE}")
    return value


_owner: Callable[[Command], Command] = click.option(
    "--owner", metavar="NAME", callback=_checked_owner, help="Only dead letters of this owner. Default: all owners."
)
_code: Callable[[Command], Command] = click.option(
    "--code", metavar="REASON", help="Only dead letters with this reason, such as attempts_exhausted."
)
_all: Callable[[Command], Command] = click.option("--all", "everything", is_flag=True, help="All dead letters.")
_json: Callable[[Command], Command] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("dead-letters")
def dead_letters() -> None:
    """List dead letters, send them again, or drop them.

    An order is the jobs of one photo that were requested together. It becomes a dead letter when it fails too often, or
    when no worker can process it; the photo's record holds the reason. An ID is PHOTO/ORDER, or PHOTO for all orders of
    a photo.

    \b
    Examples:
      darkroom dead-letters list
      darkroom dead-letters redrive --code attempts_exhausted
      darkroom dead-letters purge --all --owner ann
    """


@dead_letters.command("list")
@_owner
@_code
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Show at most this many.")
@click.option("--messages", is_flag=True, help="Also read and show messages that belong to no record.")
@_json
def list_(owner: str | None, code: str | None, limit: int, messages: bool, as_json: bool) -> None:
    """List dead letters, newest first.

    They come from the photos' records. The dead-letter queue holds a message of each, and also messages that belong to
    no record: they cannot be read, or their photo does not exist. Another dead-letter queue holds the notifications of
    files that could not become photos.
    """
    _check_messages(messages, owner, code)
    with _connected() as services:
        total, latest = _letters(services, owner).latest(limit, code)
        strays = [_stray(received) for received in _strays(services)] if messages else None
        depths = [queue.dead_letters.depth() for queue in (services.photos, services.ingest)]
        views = [_view(services, dead) for dead in latest]
    if as_json:
        found = {"dead_letters": [view.model_dump(mode="json") for view in views], "total": total}
        click.echo(json.dumps(found | ({} if strays is None else {"messages": strays}), indent=2))
        return
    if views:
        say_list(views)
        click.echo()
    if strays:
        say_table([["MESSAGE", "REASON", "BODY"], *([one["id"], one["reason"], one["body"][:60]] for one in strays)])
        click.echo()
    shown = f"; these are the newest {len(views)}" if total > len(views) else ""
    without = "" if strays is None else f"; {counted(len(strays), 'message')} without a record"
    say(f"{counted(total, 'dead letter')}{shown}{without}.")
    for depth in depths:
        about = counted(depth.visible + depth.in_flight, "message")
        say(f"The queue {depth.queue} holds about {about}; SQS's counts are up to a minute old.")
    if strays is None and depths[-1].visible:
        say("The last ones are for files that could not become photos: --messages shows them and the reasons.")


@dead_letters.command()
@_one_id
@_json
def show(ids: tuple[str, ...], as_json: bool) -> None:
    """Show the dead letters of an ID.

    Shows for each its reason, the error of each attempt, and the jobs that ended with it.
    """
    with _connected() as services:
        found = [_view(services, dead) for dead in _by_ids(_letters(services, None), ids)]
    if as_json:
        click.echo(json.dumps([view.model_dump(mode="json") for view in found], indent=2))
        return
    for number, view in enumerate(found):
        if number:
            click.echo()
        say_one(view)


@dead_letters.command()
@_ids
@_owner
@_code
@_all
@_json
def redrive(ids: tuple[str, ...], owner: str | None, code: str | None, everything: bool, as_json: bool) -> None:
    """Send dead letters to the queue again.

    Their jobs get new attempts. Jobs that succeeded, or failed because of the photo or the job itself, stay as they
    are. The exit status is 1 if there is no such dead letter.
    """
    _check_selection(ids, code, everything)
    late = []
    with _connected() as services:
        letters = _letters(services, owner)

        def change(photo_id: str, order_id: str) -> None:
            if not letters.redrive(photo_id, order_id)[1]:
                late.append(f"{photo_id}/{order_id}")

        done, failed = _change_all(_selected(letters, ids, code), change)
    if as_json:
        click.echo(json.dumps({"redriven": done, "sent_later": late, "not_found": failed}, indent=2))
    else:
        waiting = f"; {len(late)} could not be sent now; the workers' sweep sends them" if late else ""
        say(f"{counted(len(done), 'dead letter')} queued again{waiting}.{_changed_meanwhile(failed)}")
    _end(done or failed, owner, code)


@dead_letters.command()
@_ids
@_owner
@_code
@_all
@click.option("--messages", is_flag=True, help="Also delete messages that belong to no record from the queues.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@_json
def purge(
    ids: tuple[str, ...],
    owner: str | None,
    code: str | None,
    everything: bool,
    messages: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Drop dead letters for good.

    The photos stay, and their jobs stay failed; the API can still run each job again. The workers' sweep removes the
    messages. The exit status is 1 if there is no such dead letter.
    """
    _check_messages(messages, owner, code)
    if not messages or ids or code or everything:
        _check_selection(ids, code, everything)
    deleted = 0
    with _connected() as services:
        letters = _letters(services, owner)
        selected = _selected(letters, ids, code) if ids or code or everything else []
        if not yes and (selected or messages):
            what = [counted(len(selected), "dead letter")] if ids or code or everything else []
            queues = f"{services.photos.dead_letters.name} and {services.ingest.dead_letters.name}"
            what += [f"all messages without a record in {queues}"] if messages else []
            click.confirm(f"Drop {' and '.join(what)} for good?", abort=True, err=True)
        done, failed = _change_all(selected, letters.purge)
        if messages:
            deleted = sum(1 for _ in _strays(services, delete=True))
    if as_json:
        click.echo(json.dumps({"purged": done, "not_found": failed, "messages_deleted": deleted}, indent=2))
    else:
        also = f"; {counted(deleted, 'message')} without a record deleted" if messages else ""
        say(f"{counted(len(done), 'dead letter')} purged{also}.{_changed_meanwhile(failed)}")
    if ids or code or everything:
        _end(selected, owner, code)


@contextmanager
def _connected() -> Iterator[Services]:
    from darkroom.services import Services
    from darkroom.settings import read_settings

    services = Services.connect(read_settings())
    with asking(services.clients.dynamodb.meta.endpoint_url):
        yield services


def _letters(services: Services, owner: str | None) -> DeadLetters:
    from darkroom.redrive import DeadLetters

    return DeadLetters(services, owner)


def _strays(services: Services, delete: bool = False) -> Iterator[Any]:
    from darkroom.cli.stray_messages import read_strays

    return read_strays(services, MOST_MESSAGES, delete)


def _stray(received: Any) -> dict[str, str]:
    code, reason = (received.attributes.get(name, "") for name in ("code", "reason"))
    return {"id": received.id, "reason": f"{code}: {reason}" if code else "moved by SQS", "body": received.body}


def _view(services: Services, dead: DeadOrder) -> DeadLetterView:
    from darkroom.record.dead_letter_views import dead_letter_view

    return dead_letter_view(dead.photo, dead.order, services.settings.base_url)


def _check_selection(ids: tuple[str, ...], code: str | None, everything: bool) -> None:
    if sum(map(bool, (ids, code, everything))) != 1:
        raise click.UsageError("name the dead letters with exactly one of: IDs, --code REASON, or --all")


def _check_messages(messages: bool, owner: str | None, code: str | None) -> None:
    """Messages without a record have no trustworthy owner, and most have no reason."""
    if messages and (owner or code):
        raise click.UsageError(
            "--messages covers all messages without a record, so it does not go with --owner or --code"
        )


def _end(found: Sequence[object], owner: str | None, code: str | None) -> None:
    """Exit with 1 when nothing was found, so that a typing error in a script does not look like success."""
    if found:
        return
    by = [f" of the owner {owner}"] if owner else []
    by += [f" with the reason {code}"] if code else []
    say(f"There is no dead letter{''.join(by)}.", err=True)
    raise click.exceptions.Exit(1)


def _by_ids(letters: DeadLetters, ids: tuple[str, ...]) -> list[DeadOrder]:
    """Raises NotFound when an id has no dead letter."""
    found: list[DeadOrder] = []
    for id_ in ids:
        photo_id, _, order_id = id_.partition("/")
        dead = [letters.get(photo_id, order_id)] if order_id else letters.of_photo(photo_id)
        if not dead:
            raise NotFound(f"photo {photo_id} has no dead letters")
        found += dead
    return found


def _selected(letters: DeadLetters, ids: tuple[str, ...], code: str | None) -> list[tuple[str, str]]:
    """Photo and order of each. All are listed before the first one changes, so that none appears twice."""
    found = _by_ids(letters, ids) if ids else letters.all(code)
    return list(dict.fromkeys((dead.photo.id, dead.order.id) for dead in found))


def _change_all(selected: list[tuple[str, str]], change: Callable[[str, str], None]) -> tuple[list[str], list[str]]:
    """Returns the ids that were changed, and the ids that are no longer dead letters."""
    done: list[str] = []
    changed_meanwhile: list[str] = []
    for photo_id, order_id in selected:
        try:
            change(photo_id, order_id)
        except (NotFound, Conflict):
            changed_meanwhile.append(f"{photo_id}/{order_id}")
        except Unavailable as error:
            raise Unavailable(f"{len(done)} of {len(selected)} done, then {error.detail}") from error
        else:
            done.append(f"{photo_id}/{order_id}")
    return done, changed_meanwhile


def _changed_meanwhile(ids: list[str]) -> str:
    return f" {len(ids)} changed in the meantime and stay as they are: {', '.join(ids)}." if ids else ""
