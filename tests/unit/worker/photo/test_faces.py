"""Faces: where they are found, and how a crop is placed around them."""

from __future__ import annotations

import hashlib
import io
import json
import random
from fractions import Fraction
from tempfile import TemporaryFile
from typing import Any, ClassVar

import pytest
from PIL import Image, ImageChops

from darkroom.settings import PROJECT
from tests.support.drawn_face import FACE, SIDE, drawn_face, picture_with_faces
from tests.support.plain_photo import job, made_of
from worker.photo.faces import FoundFace, faces_in, found_faces
from worker.photo.faces.detector import CONFIDENCE
from worker.photo.operations.around_faces import place_around
from worker.photo.operations.face_areas import face_areas
from worker.photo.pipeline import PipelineResult, produce

LIMIT = 10**8


def overlap(face: FoundFace, box: tuple[float, float, float, float]) -> float:
    """The intersection of two boxes divided by their union."""
    width = min(face.right, box[2]) - max(face.left, box[0])
    height = min(face.bottom, box[3]) - max(face.top, box[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = (face.right - face.left) * (face.bottom - face.top) + (box[2] - box[0]) * (box[3] - box[1])
    return shared / (areas - shared)


def drawn_box(left: int, top: int, side: int) -> tuple[float, float, float, float]:
    """Where the oval of a drawn face lies."""
    scale = side / SIDE
    return left + FACE[0] * scale, top + FACE[1] * scale, left + FACE[2] * scale, top + FACE[3] * scale


def done(image: Image.Image, form: str = "PNG", *, exif: Image.Exif | None = None, **spec: Any) -> PipelineResult:
    """What the worker says of a job on an image."""
    file = io.BytesIO()
    with TemporaryFile() as original:
        image.save(original, form, **({"exif": exif} if exif else {}))
        (end,) = produce(original, {"job": job(**spec)}, {"job": file}, LIMIT)
    assert isinstance(end.result, PipelineResult), end.result
    return end.result


def test_the_weights_are_those_whose_origin_and_licence_stand_beside_them() -> None:
    folder = PROJECT / "worker" / "photo" / "faces"
    digest = hashlib.sha256((folder / "yunet.weights").read_bytes()).hexdigest()
    assert digest in (folder / "yunet-licence.txt").read_text()


class TestDetector:
    @pytest.mark.parametrize("side", [480, 300, 150, 80, 50])
    def test_a_face_is_found_where_it_is_at_every_size(self, side: int) -> None:
        left, top = (480 - side) // 2, (480 - side) // 3
        (face,) = found_faces(picture_with_faces((480, 480), (left, top, side)))
        assert overlap(face, drawn_box(left, top, side)) > 0.6
        assert face.confidence > 0.85

    def test_several_faces_are_found_the_largest_first(self) -> None:
        places = [(10, 20, 80), (120, 40, 220), (360, 200, 110)]
        faces = found_faces(picture_with_faces((480, 320), *places))
        by_size = sorted(places, key=lambda place: -place[2])
        assert [overlap(face, drawn_box(*place)) > 0.5 for face, place in zip(faces, by_size, strict=True)] == [
            True
        ] * 3

    @pytest.mark.parametrize("kind", ["plain", "noise", "gradient", "blobs"])
    def test_no_face_is_found_where_there_is_none(self, kind: str) -> None:
        noise = Image.frombytes("RGB", (480, 360), random.Random(3).randbytes(480 * 360 * 3))
        small = Image.frombytes("RGB", (12, 9), random.Random(4).randbytes(12 * 9 * 3))
        image = {
            "plain": Image.new("RGB", (480, 360), "white"),
            "noise": noise,
            "gradient": Image.linear_gradient("L").convert("RGB"),
            "blobs": small.resize((480, 360), Image.Resampling.BICUBIC),
        }[kind]
        assert found_faces(image) == []

    @pytest.mark.parametrize("size", [(1, 1), (1, 480), (480, 1), (7, 5), (33, 31)])
    def test_tiny_and_narrow_pictures_have_no_faces(self, size: tuple[int, int]) -> None:
        assert found_faces(Image.new("RGB", size, "white")) == found_faces(Image.new("RGBA", size)) == []

    def test_a_box_ends_at_the_border_of_the_picture(self) -> None:
        (face,) = found_faces(picture_with_faces((300, 300), (-60, -40, 240)))
        assert (face.left, face.top) >= (0, 0)
        assert face.right <= 300
        assert face.bottom <= 300

    def test_a_transparent_face_is_not_found(self) -> None:
        visible, hidden = drawn_face(200).convert("RGBA"), drawn_face(200).convert("RGBA")
        hidden.putalpha(0)
        assert (len(found_faces(visible)), found_faces(hidden)) == (1, [])

    def test_the_same_picture_gives_the_same_faces(self) -> None:
        picture = picture_with_faces((480, 320), (10, 20, 80), (120, 40, 220))
        assert found_faces(picture) == found_faces(picture.copy())

    def test_boxes_are_in_pixels_of_the_photo(self) -> None:
        (found,) = found_faces(drawn_face(240))
        (face,) = faces_in(drawn_face(240), (2400, 1200))
        assert (face.x, face.y) == (int(found.left * 10), int(found.top * 5))
        assert (face.x + face.width, face.y + face.height) == (round(found.right * 10), round(found.bottom * 5))
        assert face.confidence >= CONFIDENCE

    def test_a_metadata_job_lists_the_faces_of_the_upright_photo(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        place = (600, 100, 800)
        lying = picture_with_faces((1600, 1000), place).transpose(Image.Transpose.ROTATE_90)
        file = io.BytesIO()
        with TemporaryFile() as original:
            lying.save(original, "JPEG", exif=exif)
            list(produce(original, {"job": job(type="metadata", measures=["faces"])}, {"job": file}, LIMIT))
        (face,) = json.loads(file.getvalue())["measures"]["faces"]
        box = FoundFace(face["x"], face["y"], face["x"] + face["width"], face["y"] + face["height"], 1)
        assert overlap(box, drawn_box(*place)) > 0.6


class TestPlace:
    """`place_around` with faces of 20 x 20 pixels on 200 pixels; a head is 26 wide and 31 high."""

    @staticmethod
    def face(left: float, top: float = 50, size: float = 20) -> FoundFace:
        return FoundFace(left, top, left + size, top + size, 0.9)

    def test_the_middle_of_the_face_is_the_middle_of_the_part(self) -> None:
        assert place_around([self.face(90)], 0, 200, 100) == Fraction(50, 100)
        assert place_around([self.face(60)], 0, 200, 100) == Fraction(20, 100)

    def test_above_a_face_there_is_room_for_hair(self) -> None:
        at = place_around([self.face(0, top=90)], 1, 200, 100) * 100
        assert at == round((90 - 0.4 * 20 + 110 + 0.15 * 20) / 2) - 50

    def test_the_part_does_not_leave_the_picture(self) -> None:
        assert place_around([self.face(0)], 0, 200, 100) == 0
        assert place_around([self.face(180)], 0, 200, 100) == 1
        assert place_around([self.face(0)], 0, 200, 200) == Fraction(1, 2)

    def test_all_faces_are_kept_if_there_is_room(self) -> None:
        at = place_around([self.face(30), self.face(80), self.face(95)], 0, 200, 100) * 100
        assert at <= 27
        assert at + 100 >= 118

    def test_the_faces_with_the_largest_area_together_are_kept_if_not_all_fit(self) -> None:
        at = place_around([self.face(10), self.face(150), self.face(175)], 0, 200, 100) * 100
        assert at >= 75
        large = place_around([self.face(10, size=40), self.face(150), self.face(175)], 0, 200, 100) * 100
        assert large <= 4

    def test_of_a_face_that_does_not_fit_the_middle_is_kept(self) -> None:
        assert place_around([self.face(100, size=80)], 0, 200, 40) == Fraction(140 - 20, 160)


class TestPixelate:
    PIXELATE: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "pixelate", "size": 4, "faces": True}

    @pytest.mark.parametrize(
        ("size", "places"),
        [
            ((480, 360), [(100, 60, 200)]),
            ((1600, 900), [(100, 60, 300), (900, 200, 500)]),
            ((1600, 1200), [(1200, 900, 90)]),
            ((1600, 1200), [(0, 0, 1200)]),
        ],
        ids=["one", "two", "small", "large"],
    )
    def test_faces_of_every_size_are_hidden_and_nothing_else(
        self, size: tuple[int, int], places: list[tuple[int, int, int]]
    ) -> None:
        image = picture_with_faces(size, *places)
        hidden = made_of(image, LIMIT, **self.PIXELATE)
        for place in places:
            left, top, side = place
            square = left, top, left + side, top + side
            assert len(face_areas(image.crop(square))) >= 1
            assert face_areas(hidden.crop(square)) == []
        assert face_areas(hidden) == []
        assert hidden.getpixel((size[0] - 1, 0)) == image.getpixel((size[0] - 1, 0))

    def test_only_the_boxes_and_the_faces_change(self) -> None:
        noise = Image.frombytes("RGB", (400, 200), random.Random(5).randbytes(400 * 200 * 3))
        noise.paste(drawn_face(160), (200, 20))
        boxes = [{"left": 0, "top": 0, "width": 0.1, "height": 0.2}]
        both = made_of(noise, LIMIT, **self.PIXELATE, boxes=boxes)
        changed = ImageChops.difference(noise, both)
        assert changed.crop((0, 0, 40, 40)).getbbox() is not None
        assert changed.crop((240, 60, 320, 150)).getbbox() is not None
        assert changed.crop((0, 40, 190, 200)).getbbox() is None

    def test_a_picture_without_faces_stays_and_the_result_warns(self) -> None:
        image = Image.linear_gradient("L").convert("RGB")
        result = done(image, **self.PIXELATE)
        assert [warning.code for warning in result.warnings] == ["no_face_found"]
        assert made_of(image, LIMIT, **self.PIXELATE).tobytes() == image.tobytes()
        assert done(drawn_face(300), **self.PIXELATE).warnings == ()

    @pytest.mark.parametrize("size", [(1, 1), (2000, 1), (481, 481)])
    def test_pictures_of_every_shape_are_looked_at(self, size: tuple[int, int]) -> None:
        assert face_areas(Image.new("RGBA", size)) == []


class TestCrops:
    WIDE = picture_with_faces((900, 300), (560, 20, 260))
    TWO = picture_with_faces((900, 300), (20, 100, 120), (700, 50, 180))

    def test_a_crop_keeps_the_face(self) -> None:
        crop = made_of(self.WIDE, LIMIT, type="resize", width=200, height=200, position="face")
        (face,) = found_faces(crop)
        assert (face.left + face.right) / 2 == pytest.approx(100, abs=4)

    def test_of_two_faces_that_are_far_apart_the_larger_one_is_kept(self) -> None:
        result = done(self.TWO, type="resize", width=200, height=200, position="face")
        assert result.making.backends["faces"].startswith("YuNet, numpy ")
        assert result.making.focal_points[0].x > 0.75

    def test_a_picture_without_faces_is_cropped_by_attention(self) -> None:
        image = Image.linear_gradient("L").convert("RGB").resize((300, 100))
        image.paste("red", (220, 20, 260, 60))
        spec: dict[str, Any] = {"type": "resize", "width": 50, "height": 50}
        by_face, by_attention = (made_of(image, LIMIT, **spec, position=name) for name in ("face", "attention"))
        assert by_face.tobytes() == by_attention.tobytes()
        (focus,) = done(image, **spec, position="face").making.focal_points
        assert focus.found_by == "attention"

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_the_face_is_looked_for_in_the_upright_photo(self, orientation: int) -> None:
        back = {
            2: Image.Transpose.FLIP_LEFT_RIGHT,
            3: Image.Transpose.ROTATE_180,
            4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE,
            6: Image.Transpose.ROTATE_90,
            7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270,
        }
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = self.WIDE.transpose(back[orientation]) if orientation > 1 else self.WIDE
        result = done(stored, "JPEG", exif=exif, type="resize", width=200, height=200, position="face")
        (focus,) = result.making.focal_points
        assert focus.found_by == "face"
        assert focus.x == pytest.approx((560 + 130) / 900, abs=0.01)

    @pytest.mark.parametrize("position", ["face", "attention", "entropy"])
    def test_the_focal_point_of_the_receipt_gives_the_same_crop(self, position: str) -> None:
        spec: dict[str, Any] = {"type": "resize", "width": 170, "height": 200}
        (focus,) = done(self.WIDE, **spec, position=position).making.focal_points
        assert focus.found_by == position
        again = made_of(self.WIDE, LIMIT, **spec, position={"x": focus.x, "y": focus.y})
        assert again.tobytes() == made_of(self.WIDE, LIMIT, **spec, position=position).tobytes()

    def test_a_crop_of_any_shape_keeps_the_face(self) -> None:
        spec: dict[str, Any] = {"type": "crop", "width": 320, "height": 240, "position": "face"}
        (face,) = found_faces(made_of(self.WIDE, LIMIT, **spec))
        assert ((face.left + face.right) / 2, (face.top + face.bottom) / 2) == pytest.approx((160, 120), abs=40)

    def test_a_later_step_of_a_pipeline_looks_for_faces_in_its_own_picture(self) -> None:
        steps = [{"type": "resize", "width": 600}, {"type": "resize", "width": 100, "height": 100, "position": "face"}]
        (focus,) = done(self.WIDE, type="pipeline", steps=steps).making.focal_points
        assert (focus.found_by, focus.x) == ("face", pytest.approx((560 + 130) / 900, abs=0.02))

    def test_without_a_crop_nothing_is_looked_for(self) -> None:
        result = done(self.WIDE, type="resize", width=90, height=30, position="face")
        assert result.making.focal_points == ()
        assert not [step for step in result.making.plan if "overview" in step]
