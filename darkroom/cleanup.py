"""What is removed from the bucket because no record needs it any more."""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.aws.bucket import Bucket
from darkroom.aws.dedupe import Dedupe
from darkroom.aws.table import Table
from darkroom.record.keys import job_and_fence
from darkroom.record.photo import PhotoRecord


@dataclass(frozen=True)
class Cleanup:
    table: Table
    bucket: Bucket
    dedupe: Dedupe

    def remove_unpublished(self, photo_id: str) -> None:
        """Remove results that workers stored and that no worker can publish any more. Raises Unavailable."""
        keys = self.bucket.results(photo_id)
        # Read the record after the list: a claim that is made after this read has no result in the list.
        if photo := self.table.get(photo_id):
            self.bucket.remove(key for key in keys if not photo.needs_result(key, *job_and_fence(key)))

    def remove_deleted(self, photo: PhotoRecord) -> PhotoRecord:
        """Remove all objects of a deleted photo, and then mark its tombstone. May be repeated after any crash.

        Raises Unavailable.
        """
        self.bucket.remove_photo(photo.id)
        self.dedupe.forget(photo)

        def mark_removed(record: PhotoRecord) -> None:
            record.objects_removed = True

        return self.table.update(photo.id, mark_removed, known=photo)[0]
