"""Structured logs: JSON lines in containers, readable lines on a terminal.

Each line begins with its `action`, such as `job.stored`; further fields name the photo, job and order, or give details.
"""

from __future__ import annotations

import logging
import sys

import structlog

from darkroom.settings import Settings


def set_up_logs(settings: Settings, service: str) -> None:
    """Send the lines of Darkroom and of the libraries to stderr in one format. Each entry point calls this once."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    level = getattr(logging, settings.log_level.upper())

    def add_service(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {"service": service, **event}

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_service,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor] = (
        [
            structlog.processors.format_exc_info,
            _with_action_first,
            structlog.processors.JSONRenderer(),
        ]
        if as_json
        # structlog's own tracebacks show local variables, and those may hold secrets or callers' data.
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for library in ("botocore", "boto3", "urllib3", "s3transfer", "PIL"):
        logging.getLogger(library).setLevel(max(level, logging.WARNING))


def _with_action_first(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {"action": event.pop("event"), **event}
