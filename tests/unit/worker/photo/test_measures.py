"""Measures of a picture: placeholders, fingerprints and statistics, against published vectors and definitions."""

from __future__ import annotations

import io
import json
import random
from tempfile import TemporaryFile
from typing import Any

import pytest
from PIL import Image, ImageFilter, ImageOps

from darkroom.jobs.measure_names import IN_EVENTS, MEASURES
from darkroom.photo_metadata.measures import Measures, ShortMeasures
from tests.support.plain_photo import job
from worker.photo.measures.blurhash import blurhash
from worker.photo.measures.fingerprint import phash
from worker.photo.measures.levels import average_colour, histogram, sharpness
from worker.photo.measures.measure_functions import MEASURE_FUNCTIONS, measures
from worker.photo.measures.thumbhash import thumbhash
from worker.photo.pipeline import produce


def ramps(width: int, height: int, *, alpha: bool = False) -> Image.Image:
    """The pixels for which the vectors below were computed."""
    image = Image.new("RGBA" if alpha else "RGB", (width, height))
    for y in range(height):
        for x in range(width):
            colour = x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x * 7 + y * 13) % 256
            image.putpixel((x, y), (*colour, (x + y) * 255 // (width + height - 2)) if alpha else colour)
    return image


def scene(seed: int, size: tuple[int, int] = (960, 720)) -> Image.Image:
    """Large areas with smaller ones in them, and fine noise: as rough as a photo."""
    chance = random.Random(seed)
    picture = Image.new("RGB", size)
    for cells, share in ((3, 1.0), (7, 0.45), (19, 0.3), (97, 0.15)):
        noise = Image.frombytes("RGB", (cells, cells), chance.randbytes(cells * cells * 3))
        picture = Image.blend(picture, noise.resize(size, Image.Resampling.BICUBIC), share)
    return picture


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def distance(one: str, other: str) -> int:
    """The number of bits in which two hashes differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def measured(image: Image.Image, *other_jobs: dict[str, Any], **options: Any) -> dict[str, Any]:
    """All measures of a JPEG, of an order in which other jobs are done, too."""
    jobs = {"said": job(type="metadata", measures=list(MEASURES))}
    jobs |= {str(number): job(**spec) for number, spec in enumerate(other_jobs)}
    files = {name: io.BytesIO() for name in jobs}
    with TemporaryFile() as file:
        image.save(file, "JPEG", **options)
        for end in produce(file, jobs, files, 10**8):
            assert not isinstance(end.result, Exception), end
    found: dict[str, Any] = json.loads(files["said"].getvalue())["measures"]
    return found


def test_every_measure_has_its_function_and_its_field() -> None:
    assert set(MEASURES) == MEASURE_FUNCTIONS.keys() == Measures.model_fields.keys()
    assert set(IN_EVENTS) == ShortMeasures.model_fields.keys()


class TestPlaceholders:
    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            ((40, 30), "L$HetU2r$1X8l}WVjsf8gHfhfLfi"),
            ((30, 40), "T$HetV2swyl}adjrgbfifRnna[jp"),
            ((32, 32), "U$HetX2owuX8l}WBjve=gLfgfMfinjWjjwfT"),
            ((100, 7), "L%HVVN2U$3ScuvS2n}a#e:fQfOfR"),
        ],
    )
    def test_blurhash_is_that_of_another_implementation(self, size: tuple[int, int], expected: str) -> None:
        """blurhash-python 1.1.5, which follows the Swift code of BlurHash's authors."""
        assert blurhash(ramps(*size)) == expected

    @pytest.mark.parametrize(
        ("colour", "expected"), [("black", "L00000fQfQfQfQfQfQfQfQfQfQfQ"), ("white", "L*TSUA?bfQ?b~qt7fQt7fQfQfQfQ")]
    )
    def test_blurhash_of_one_colour(self, colour: str, expected: str) -> None:
        assert blurhash(Image.new("RGB", (9, 5), colour)) == expected
        assert blurhash(Image.new("RGBA", (9, 5), (1, 2, 3, 0))) == "L*TSUA?bfQ?b~qt7fQt7fQfQfQfQ"  # as white

    @pytest.mark.parametrize(
        ("size", "alpha", "expected"),
        [
            ((40, 30), False, "HwgKPZpgh3dwh3eHdXh2eKCACPh4"),
            ((30, 40), False, "3/cJPRqAh3B3d4d3Zld5eXGQCPh4"),
            ((32, 32), False, "4AcKPxpwh3dwiId4dneFeJiHFwl5gI8H"),
            ((24, 100), True, "o8iFGQ4ngLK3eIiAsgvYWYaHgIiIeIg="),
        ],
    )
    def test_thumbhash_is_that_of_its_author(self, size: tuple[int, int], alpha: bool, expected: str) -> None:
        """The package thumbhash 0.1.1 for JavaScript."""
        assert thumbhash(ramps(*size, alpha=alpha)) == expected

    def test_thumbhash_of_one_colour_has_no_noise(self) -> None:
        assert thumbhash(Image.new("RGB", (8, 8), "black")) == "AAgCBwAAAAAAAAAAAAAAAAAAAAAAAAAA"
        assert thumbhash(Image.new("RGB", (8, 8), "white")) == "PwgCBwAAAAAAAAAAAAAAAAAAAAAAAAAA"

    def test_a_placeholder_hardly_depends_on_the_size_of_the_picture(self) -> None:
        """All numbers of a ThumbHash have 4 to 6 bits: each may be rounded differently."""
        large, small = (thumbhash(picture) for picture in (scene(1), scene(1).reduce(4)))
        assert large[:4] == small[:4]
        assert sum(one != other for one, other in zip(large, small, strict=True)) <= 4


class TestPerceptualHash:
    def test_it_stays_when_a_picture_is_resized_and_recompressed(self) -> None:
        for seed in range(8):
            picture = scene(seed)
            whole = phash(picture)
            for side in (600, 320, 128):
                small = ImageOps.contain(picture, (side, side))
                assert distance(whole, phash(small)) <= 2
                assert distance(whole, phash(recompressed(small, 60))) <= 4
                assert distance(whole, phash(recompressed(small, 25))) <= 6

    def test_it_stays_when_a_picture_becomes_lighter_or_gray(self) -> None:
        picture = scene(1)
        assert distance(phash(picture), phash(picture.point(lambda level: round(level * 0.8 + 20)))) <= 2
        assert distance(phash(picture), phash(picture.convert("L").convert("RGB"))) <= 2

    def test_other_pictures_have_other_hashes(self) -> None:
        hashes = [phash(scene(seed)) for seed in range(12)]
        assert min(distance(one, other) for at, one in enumerate(hashes) for other in hashes[:at]) >= 16

    def test_a_plain_picture_has_only_its_mean(self) -> None:
        assert {phash(Image.new("RGB", (9, 7), colour)) for colour in ("white", "red", "#010101")} == {"8" + "0" * 15}
        assert phash(Image.new("RGB", (9, 7))) == "0" * 16

    def test_the_bits_are_in_the_order_of_imagehash(self) -> None:
        """ImageHash 4.3.2 has this hash for the same picture, in which it reduces with Pillow."""
        assert distance(phash(ramps(64, 48)), "a274a774a70f5a4c") <= 2


class TestLevels:
    def test_the_average_colour_is_that_of_the_visible_pixels(self, quarters: Image.Image) -> None:
        assert average_colour(quarters) == "#807b4e"
        image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
        image.putpixel((1, 0), (0, 0, 255, 85))
        assert average_colour(image) == "#bf0040"
        assert average_colour(Image.new("RGBA", (2, 1))) is None

    def test_a_histogram_has_the_shares_of_the_visible_pixels(self, quarters: Image.Image) -> None:
        found = histogram(quarters)
        assert {at: share for at, share in enumerate(found.red) if share} == {3: 0.5, 27: 0.25, 28: 0.25}
        half = Image.new("RGBA", (4, 4), (255, 255, 255, 0))
        half.paste((8, 0, 7, 255), (0, 0, 2, 4))
        found = histogram(half)
        assert (found.red[1], found.green[0], found.blue[0], found.luma[0]) == (1, 1, 1, 1)
        assert sum(histogram(Image.new("RGBA", (2, 2))).luma) == 0

    def test_sharpness_is_the_variance_of_the_laplacian(self) -> None:
        dot = Image.new("RGB", (5, 5))
        dot.putpixel((2, 2), (100, 100, 100))
        mean = (400 - 4 * 100) / 9
        assert sharpness(dot) == round((400**2 + 4 * 100**2) / 9 - mean**2, 1)
        assert sharpness(Image.new("RGB", (5, 5), "red")) == sharpness(Image.new("RGB", (2, 9))) == 0

    def test_a_blurred_picture_is_less_sharp(self) -> None:
        picture = Image.frombytes("RGB", (480, 360), random.Random(1).randbytes(480 * 360 * 3))
        values = [sharpness(picture.filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 1, 2, 4)]
        assert values == sorted(values, reverse=True)
        assert values[0] > 20 * values[-1]


class TestOrders:
    def test_measures_hardly_depend_on_the_other_jobs_of_the_order(self) -> None:
        """At another scale, libjpeg decodes slightly other pixels."""
        picture = scene(5, (2000, 1500))
        alone, others = measured(picture), measured(picture, {"type": "filter", "filter": "invert"})
        assert distance(alone["phash"], others["phash"]) <= 1
        assert alone["sharpness"] == pytest.approx(others["sharpness"], rel=0.1)
        assert measured(picture) == alone

    def test_measures_are_those_of_the_upright_photo(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        lying = scene(2).transpose(Image.Transpose.ROTATE_90)
        turned, upright = measured(lying, exif=exif, quality=95), measured(scene(2), quality=95)
        assert distance(turned["phash"], upright["phash"]) <= 1
        assert len(turned["blurhash"]) == 28
        assert turned["blurhash"][0] == "L"  # 4 x 3

    def test_only_the_measures_that_are_asked_for_are_made(self, quarters: Image.Image) -> None:
        found = measures(["phash", "faces"], quarters, quarters.size)
        assert found.model_dump().keys() == {"phash", "faces"}
        assert found.faces == []

    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    @pytest.mark.parametrize("size", [(1, 1), (1, 2), (480, 1), (1, 480), (2, 3)])
    def test_tiny_and_narrow_pictures_have_all_measures(self, mode: str, size: tuple[int, int]) -> None:
        for fill in (0, 255):
            image = Image.new(mode, size, (fill,) * len(mode))
            found = Measures.model_validate(measures(MEASURES, image, size).model_dump())
            invisible = mode == "RGBA" and fill == 0
            assert found.model_dump().keys() == set(MEASURES) - ({"average_colour"} if invisible else set())
