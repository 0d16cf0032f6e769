"""What a photo says of itself. `read.py` is where to begin; darkroom/photo_metadata/ is the schema of the result."""

from worker.photo.metadata.read import metadata

__all__ = ["metadata"]
