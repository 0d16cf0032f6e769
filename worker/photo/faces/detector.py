"""The faces of a picture as boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from darkroom.jobs.sizes import Size
from darkroom.photo_metadata.measures import MAX_FACES, Face
from worker.photo.faces.network import Array, load
from worker.photo.visible import on_white

CONFIDENCE = 0.75
"""The least confidence of a face."""

OVERLAP = 0.3
"""Two boxes that share more than this part of their union are one face."""

_network = load()


@dataclass(frozen=True)
class FoundFace:
    """A box around a face, in pixels of the picture in which it was found. `confidence` is 0 to 1."""

    left: float
    top: float
    right: float
    bottom: float
    confidence: float


def found_faces(image: Image.Image) -> list[FoundFace]:
    """The faces of an RGB or RGBA image, the largest first; at most MAX_FACES. Boxes end at the image's border."""
    width, height = image.size
    picture = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.float32)
    picture[:height, :width] = np.asarray(on_white(image))
    places = _network.found(picture)
    faces = []
    for left, top, right, bottom, confidence in _separate(places[places[:, 4] >= CONFIDENCE]).tolist():
        box = max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom)
        if box[0] < box[2] and box[1] < box[3]:
            faces.append(FoundFace(*box, confidence))
    faces.sort(key=lambda face: -(face.right - face.left) * (face.bottom - face.top))
    return faces[:MAX_FACES]


def faces_in(overview: Image.Image, photo: Size) -> list[Face]:
    """The faces of a photo in its own pixels, found on a small copy of it. `photo` is its size, upright as the copy."""
    across, down = photo[0] / overview.width, photo[1] / overview.height
    faces = []
    for face in found_faces(overview):
        left, top = int(face.left * across), int(face.top * down)
        right, bottom = min(photo[0], round(face.right * across)), min(photo[1], round(face.bottom * down))
        size = {"width": max(1, right - left), "height": max(1, bottom - top)}
        faces.append(Face(x=left, y=top, **size, confidence=round(face.confidence, 2)))
    return faces


def _separate(places: Array) -> Array:
    """The most confident of the places that overlap each other (greedy non-maximum suppression)."""
    left = places[np.argsort(-places[:, 4], kind="stable")]
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        shared = np.minimum(best[2:4], left[:, 2:4]) - np.maximum(best[:2], left[:, :2])
        area = np.maximum(shared, 0).prod(axis=1)
        union = (best[2:4] - best[:2]).prod() + (left[:, 2:4] - left[:, :2]).prod(axis=1) - area
        left = left[area <= OVERLAP * union]
    return np.array(kept, np.float32).reshape(-1, 5)
