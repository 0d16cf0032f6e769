"""The transitions of a photo that was given by its URL. A worker fetches its file; then it is like a direct upload."""

from __future__ import annotations

from datetime import timedelta

from darkroom.errors import DarkroomError, PhotoGone
from darkroom.record.clock import now
from darkroom.record.direct_upload import DirectUpload
from darkroom.record.source import without_query
from darkroom.record.state import PhotoState


class PhotoFetches(PhotoState):
    """The part of a photo's record that knows of fetches."""

    def begin_fetch(self, message_id: str, time_limit: float, resend_after: float) -> int:
        """A worker begins to fetch the file from its URL, for `time_limit` seconds at most.

        Returns the number of the attempt; 0 when there is nothing to fetch. Raises PhotoGone, FetchInProgress.
        """
        self._require_present()
        if not (upload := self.pending_fetch):
            return 0
        attempt = upload.begin_fetch(message_id, now() + timedelta(seconds=time_limit), resend_after)
        for order in self.orders.values():
            for job in order.unfinished_jobs:
                job.attempts = attempt  # an error of this attempt has its number
        return attempt

    def note_failed_fetch(self, error: DarkroomError, delay: float, resend_after: float) -> None:
        """An attempt to fetch the file has failed, and the next one is in `delay` seconds. Raises PhotoGone."""
        self._require_present()
        if upload := self.pending_fetch:
            self._note_fetch_error(error, upload)
            upload.end_fetch(delay, resend_after)

    def bury_fetch(self, error: DarkroomError) -> None:
        """No attempt is left to fetch the file: the unfinished orders become dead letters. Raises PhotoGone."""
        self._require_present()
        if upload := self.pending_fetch:
            self._note_fetch_error(error, upload)
            upload.reject(error)
            for order in self.orders.values():
                if order.unfinished_jobs:
                    order.bury(error)

    def _note_fetch_error(self, error: DarkroomError, upload: DirectUpload) -> None:
        for order in self.orders.values():
            for job in order.unfinished_jobs:
                job.requeue(error, upload.fetch_attempts)

    def _fetch_again(self, resend_after: float) -> None:
        """Have the file fetched for jobs that are about to be queued, if the photo has ended without it."""
        if self.upload and self.source_url and not self.unfinished:
            self.upload.fetch_again(resend_after)

    def _end_fetching(self) -> None:
        """The file has arrived. The query of its URL may be a signature, and is not needed any more."""
        if self.source_url:
            self.source_url = without_query(self.source_url)

    def _require_present(self) -> None:
        if self.deleted_or_expired:
            raise PhotoGone(f"photo {self.id} is {self.status}")
