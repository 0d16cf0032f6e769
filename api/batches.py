"""Several photos in one request: each gets its own verdict."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from flask import Response
from pydantic import BaseModel, Field

from api.answers import RETRY_SOON, json_answer
from api.context import Context
from api.filenames import safe_filename
from api.intake import take_in
from api.problems import Problem, problem_of, respond
from api.uploads import Upload
from darkroom.errors import InvalidRequest, PhotoError, TooLarge, Unavailable
from darkroom.record import new_id
from darkroom.views import PhotoView, photo_view

log = structlog.get_logger()

Verdict = PhotoView | Problem


class BatchView(BaseModel):
    """What became of each photo of a request, in the order sent."""

    batch: str
    photos: list[Verdict]


class BatchProblem(Problem):
    """No photo of a batch was taken."""

    batch: str | None = None
    photos: list[Problem] = Field([], description="each photo's own problem, in the order sent")


def take_in_all(context: Context, upload: Upload, trace: str) -> Response:
    """202 when at least one photo was taken; else 503 when trying again may help, and 422 when it cannot."""
    batch = new_id()
    verdicts: list[Verdict] = []
    down: Unavailable | None = None
    for incoming in upload.photos:
        filename = safe_filename(incoming.filename, "")
        try:
            if down:  # the others would only wait for the same time-outs
                raise down
            photo = take_in(context, incoming, upload, batch, trace)
        except Unavailable as error:
            if down is None:
                log.warning("batch.unavailable", batch=batch, detail=error.detail)
            down = error
            verdicts.append(problem_of(error, filename))
        except (PhotoError, TooLarge) as error:
            verdicts.append(problem_of(error, filename))
        else:
            verdicts.append(photo_view(photo, context.settings.base_url))
        finally:
            incoming.spool.close()  # 50 photos are many open files
    problems = [verdict for verdict in verdicts if isinstance(verdict, Problem)]
    if len(problems) < len(verdicts):
        return json_answer(BatchView(batch=batch, photos=verdicts), HTTPStatus.ACCEPTED, RETRY_SOON)
    whole = problem_of(down or InvalidRequest(f"none of the {len(problems)} photos was taken"))
    return respond(BatchProblem(**whole.model_dump(), batch=batch, photos=problems))
