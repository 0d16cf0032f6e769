"""What a metadata job measures on the overview of a photo. Read `measure_functions.py` first."""

from worker.photo.measures.measure_functions import measures

__all__ = ["measures"]
