"""Find the faces in a picture. Read `detector.py` first."""

from worker.photo.faces.detector import FoundFace, faces_in, found_faces

__all__ = ["FoundFace", "faces_in", "found_faces"]
