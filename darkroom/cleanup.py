"""What is removed from the bucket because no record needs it any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from darkroom.aws.asset_table import AssetTable
from darkroom.aws.bucket import Bucket
from darkroom.aws.dedupe import Dedupe
from darkroom.aws.table import Table
from darkroom.aws.upload_parts import MultipartUploads
from darkroom.batch_ends import BatchEnds
from darkroom.record.clock import now
from darkroom.record.photo import PhotoRecord


@dataclass(frozen=True)
class Cleanup:
    table: Table
    assets: AssetTable
    bucket: Bucket
    multipart: MultipartUploads
    dedupe: Dedupe
    batch_ends: BatchEnds

    def clean_up(self, photo: PhotoRecord) -> PhotoRecord:
        """Remove the objects of a photo that its record does not need, and note in the record that this was done.

        For a deleted or expired photo these are all of its objects. Every look lists them again: a late writer may have
        stored some since. The batch of a deleted photo no longer waits for it. May be repeated after any crash. Raises
        Unavailable, and then the record stays due.
        """
        at = now()
        if photo.deleted_or_expired:
            self.multipart.abort(photo)
            self.bucket.remove_photo(photo.id)
            self.dedupe.forget(photo)
            if photo.deleted_at and photo.batch:
                self.batch_ends.note_deletion(photo)
        else:
            self._remove_unneeded(photo.id, [*self.bucket.originals(photo.id), *self.bucket.results(photo.id)])
        return self.table.update(photo.id, lambda record: record.note_look(at), known=photo)[0]

    def remove_unpublished(self, photo_id: str) -> None:
        """Remove results that workers stored and that no worker can publish any more. Raises Unavailable."""
        self._remove_unneeded(photo_id, self.bucket.results(photo_id))

    def remove_assets(self, owner: str, keys: list[str]) -> None:
        """Remove objects that no asset of the owner needs, and note in the record that this was done. May be repeated.

        Raises Unavailable, and then the record stays due."""
        at = now()
        self.bucket.remove(keys)
        self.assets.update(owner, lambda record: record.note_removed(keys, at))

    def _remove_unneeded(self, photo_id: str, keys: Iterable[str]) -> None:
        # Read the record after the list: a claim that is made after this read has no result in the list.
        if photo := self.table.get(photo_id):
            self.bucket.remove(key for key in keys if not photo.needs(key))
