"""Receives webhooks of Darkroom: verifies them, notes each event once, answers at once, and handles events afterwards.

WEBHOOK_SECRET=whsec_... flask --app receiver run --port 9000
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from contextlib import closing
from typing import Any

from flask import Flask, request
from standardwebhooks import Webhook, WebhookVerificationError

log = logging.getLogger(__name__)

DATABASE = os.environ.get("DATABASE", "events.sqlite3")

TABLE = """
CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    handled BOOLEAN NOT NULL DEFAULT FALSE
)
"""


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024
    webhook = Webhook(os.environ["WEBHOOK_SECRET"])  # what `darkroom webhook-secret OWNER` prints
    with closing(sqlite3.connect(DATABASE)) as database:
        database.execute(TABLE)
    arrived = threading.Event()
    arrived.set()  # events that were noted before this process started
    threading.Thread(target=handle_events, args=[arrived], daemon=True).start()

    @app.post("/darkroom")
    def receive() -> tuple[str, int]:
        body = request.get_data(as_text=True)
        try:
            webhook.verify(body, dict(request.headers))  # also refuses a webhook that is older than five minutes
        except (WebhookVerificationError, ValueError):  # ValueError: a header of another form
            return "This webhook is not from Darkroom, or is too old.\n", 401
        note_event(request.headers["webhook-id"], body)
        arrived.set()
        return "", 204

    return app


def note_event(event_id: str, body: str) -> None:
    """Darkroom may send an event again, with the same id: it is noted once."""
    with closing(sqlite3.connect(DATABASE)) as database, database:
        database.execute("INSERT OR IGNORE INTO events (id, body) VALUES (?, ?)", [event_id, body])


def handle_events(arrived: threading.Event) -> None:
    """Handle the noted events, now and each time that one arrives. If the process ends, the next one continues."""
    while arrived.wait():
        arrived.clear()
        with closing(sqlite3.connect(DATABASE)) as database:
            for event_id, body in database.execute("SELECT id, body FROM events WHERE NOT handled").fetchall():
                try:
                    handle(json.loads(body))
                except Exception:
                    log.exception("event %s is tried again when the next one arrives", event_id)
                    continue
                with database:
                    database.execute("UPDATE events SET handled = TRUE WHERE id = ?", [event_id])


def handle(event: dict[str, Any]) -> None:
    """What your service does with an event. It may take long, and happens again if the process ends before the end."""
    print(f"{event['type']} {event['data']['id']}: {event['data']['status']}", flush=True)
