"""Find the faces in a picture. Read `detector.py` first."""

from worker.photo.faces.detector import faces_in, found_faces

__all__ = ["faces_in", "found_faces"]
