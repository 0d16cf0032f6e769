"""Tables of dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from darkroom.cli.terminal import say_table

if TYPE_CHECKING:
    from darkroom.record.dead_letter_views import DeadLetterView
    from darkroom.record.views import AttemptView


def say_list(views: Sequence[DeadLetterView]) -> None:
    rows = [
        [
            f"{view.buried_at:%Y-%m-%d %H:%M}",
            view.owner,
            view.id,
            view.filename or "",
            view.reason.code,
            str(view.attempts),
            f"{view.expires_at:%Y-%m-%d}" if view.expires_at else "never",
        ]
        for view in views
    ]
    say_table([["BURIED (UTC)", "OWNER", "ID", "FILE", "REASON", "ATTEMPTS", "EXPIRES"], *rows])


def say_one(view: DeadLetterView) -> None:
    facts = {
        "dead letter": view.id,
        "owner": view.owner,
        "file": view.filename,
        "reference": view.reference,
        "reason": f"{view.reason.code}: {view.reason.detail}",
        "attempts": str(view.attempts),
        "buried": f"{view.buried_at:%Y-%m-%d %H:%M:%S} UTC",
        "photo expires": f"{view.expires_at:%Y-%m-%d %H:%M} UTC" if view.expires_at else "never",
        "message kept": f"until {view.message_expires_at:%Y-%m-%d %H:%M} UTC",
        "thumbnail": view.thumbnail,
        "redriven": ", ".join(f"{one.at:%Y-%m-%d %H:%M} UTC ({one.code})" for one in view.redrives),
    }
    say_table([[name, value] for name, value in facts.items() if value])
    click.echo()
    rows = [
        [job.id, job.type, _attempt(error), f"{error.code}: {error.detail}"]
        for job in view.jobs
        for error in job.errors
    ]
    say_table([["JOB", "TYPE", "ATTEMPT", "ERROR"], *rows])


def _attempt(error: AttemptView) -> str:
    return str(error.attempt) + (f" (redrive {error.redrive})" if error.redrive else "")
