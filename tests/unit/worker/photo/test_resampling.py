"""The contract of `resample`, with cykooz-resizer and with Pillow in its place. Floating point is the reference."""

from __future__ import annotations

import math
import mmap
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageMath

from worker.photo.operations import resampling
from worker.photo.operations.resampling import KERNELS, Box, resample

FAST_KERNELS = [name for name, kernel in KERNELS.items() if kernel.fast]

BOUND = 1.25
"""Levels by which a value may differ from the reference. 0.5 come from rounding each of two passes."""

BOUND_OF_PREMULTIPLIED = 2.4
"""The same for colours of RGBA times alpha, which are rounded before the passes and after them too."""

CASES: list[tuple[tuple[int, int], tuple[int, int], Box | None]] = [
    ((97, 64), (64, 31), None),
    ((97, 64), (33, 63), (0.37, 1.9, 96.2, 63.41)),
    ((97, 64), (32, 20), (1.0, 2.0, 97.0, 62.0)),
    ((97, 64), (97, 64), None),
    ((97, 64), (97, 64), (0.5, 0.5, 96.5, 63.5)),
    ((31, 64), (150, 150), None),
    ((31, 64), (90, 7), (30.2, 10.0, 30.7, 14.0)),
    ((64, 97), (20, 97), None),
    ((64, 97), (64, 30), None),
    ((1, 97), (3, 47), None),
    ((97, 1), (41, 9), None),
    ((3, 3), (1, 1), None),
    ((1, 1), (5, 4), None),
]
"""The picture's size, the result's size, and the box."""

MANY_TIMES_SMALLER: list[tuple[tuple[int, int], tuple[int, int], Box | None]] = [
    ((640, 480), (64, 31), None),
    ((640, 480), (9, 7), (0.4, 0.9, 600.1, 479.3)),
    ((640, 480), (1, 1), None),
    ((640, 480), (1, 480), None),
]
"""Here Pillow averages blocks first (REDUCING_GAP), which is less exact."""


@pytest.fixture(params=["cykooz-resizer", "Pillow"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "Pillow":
        monkeypatch.setattr(resampling, "fast", None)
    elif resampling.fast is None:
        pytest.skip("cykooz-resizer has no wheel for this system")
    return request.param


@pytest.fixture
def fast() -> None:
    if resampling.fast is None:
        pytest.skip("cykooz-resizer has no wheel for this system")


def noise(mode: str, size: tuple[int, int], levels: tuple[int, int] = (96, 159)) -> Image.Image:
    """Seeded noise. With the default levels no kernel reaches 0 or 255."""
    low, high = levels
    data = random.Random(5).randbytes(size[0] * size[1] * len(Image.new(mode, (1, 1)).getbands()))
    return Image.frombytes(mode, size, data).point(lambda value: low + value * (high - low) // 255)


def in_floating_point(
    bands: list[Image.Image], size: tuple[int, int], kernel: str, box: Box | None
) -> list[Image.Image]:
    """Where a side becomes longer, the outermost pixels are repeated beyond the border."""
    left, top, right, bottom = box or (0, 0, *bands[0].size)
    x_more, y_more = (8 if right - left < size[0] else 0), (8 if bottom - top < size[1] else 0)
    resized = []
    for band in bands:
        wide = Image.fromarray(np.pad(np.asarray(band), ((y_more, y_more), (x_more, x_more)), "edge"))
        inside = left + x_more, top + y_more, right + x_more, bottom + y_more
        resample_by = KERNELS[kernel].pillow
        resized.append(
            by_definition(wide, size, kernel, inside)
            if resample_by is None
            else wide.resize(size, resample_by, box=inside)
        )
    return [ImageMath.lambda_eval(lambda a: a["max"](a["min"](a["b"], 255), 0), b=band) for band in resized]


def by_definition(band: Image.Image, size: tuple[int, int], kernel: str, box: Box) -> Image.Image:
    """With kernels that Pillow lacks. Weights of missing pixels go to the others, as in Pillow."""
    down, across = (weights_of(kernel, box[axis], box[axis + 2], band.size[axis], size[axis]) for axis in (1, 0))
    return Image.fromarray((down @ np.asarray(band, float) @ across.T).astype(np.float32))


def weights_of(kernel: str, start: float, end: float, side: int, wanted: int) -> np.ndarray:
    """A row for each new pixel, a column for each old one. Pixels that stay where they are are not computed anew."""
    scale = (end - start) / wanted
    if scale == 1 and start == int(start):
        return np.eye(wanted, side, int(start))
    middles = start + (np.arange(wanted)[:, None] + 0.5) * scale
    x = np.abs((np.arange(side) + 0.5 - middles) / max(1.0, scale))
    if kernel == "lanczos2":
        weights = np.where(x < 2, np.sinc(x) * np.sinc(x / 2), 0)
    else:
        near, far = 7 / 6 * x**3 - 2 * x**2 + 8 / 9, -7 / 18 * x**3 + 2 * x**2 - 10 / 3 * x + 16 / 9
        weights = np.where(x < 1, near, np.where(x < 2, far, 0))
    return weights / weights.sum(axis=1, keepdims=True)


def premultiplied(image: Image.Image) -> list[Image.Image]:
    """The bands as floats; those of colours are multiplied by alpha, if there is any."""
    bands = [band.convert("F") for band in image.split()]
    if image.mode != "RGBA":
        return bands
    alpha = bands[3]
    return [*(ImageMath.lambda_eval(lambda a: a["c"] * a["a"] / 255.0, c=c, a=alpha) for c in bands[:3]), alpha]


def farthest(result: Image.Image, reference: list[Image.Image]) -> float:
    return max(
        abs(extreme)
        for band, expected in zip(premultiplied(result), reference, strict=True)
        for extreme in ImageMath.lambda_eval(lambda a: a["b"] - a["e"], b=band, e=expected).getextrema()
    )


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_every_kernel_is_near_floating_point(mode: str, kernel: str) -> None:
    for original_size, size, box in CASES:
        image = noise(mode, original_size)
        result = resample(image, size, kernel, box)
        assert (result.mode, result.size) == (mode, size)
        reference = in_floating_point(premultiplied(image), size, kernel, box)
        bound = BOUND_OF_PREMULTIPLIED if mode == "RGBA" else BOUND
        assert farthest(result, reference) <= bound, (original_size, size, box)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("kernel", FAST_KERNELS)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_cykooz_resizer_is_as_near_when_pictures_become_many_times_smaller(mode: str, kernel: str) -> None:
    for original_size, size, box in MANY_TIMES_SMALLER:
        image = noise(mode, original_size)
        result = resample(image, size, kernel, box)
        reference = in_floating_point(premultiplied(image), size, kernel, box)
        bound = BOUND_OF_PREMULTIPLIED if mode == "RGBA" else BOUND
        assert farthest(result, reference) <= bound, (size, box)


ENLARGED: list[tuple[tuple[int, int], tuple[int, int], Box | None]] = [
    ((9, 7), (100, 90), None),
    ((9, 7), (10, 8), None),
    ((9, 7), (50, 3), None),
    ((9, 7), (3, 50), None),
    ((9, 7), (40, 40), (0.3, 0.2, 5.1, 6.9)),
    ((40, 30), (60, 60), (10.5, 9.0, 29.5, 21.0)),
    ((40, 30), (60, 60), (21.0, 1.0, 39.9, 20.0)),
    ((2, 1), (31, 17), None),
    ((1, 1), (31, 17), None),
]
"""The picture's size, the result's size, and the box: borders in reach and out of reach, and one side that shrinks."""


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("kernel", [name for name, kernel in KERNELS.items() if kernel.reach])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_an_enlarged_picture_goes_on_beyond_its_border(mode: str, kernel: str) -> None:
    for original_size, size, box in ENLARGED:
        image = noise(mode, original_size)
        reference = in_floating_point(premultiplied(image), size, kernel, box)
        bound = BOUND_OF_PREMULTIPLIED if mode == "RGBA" else BOUND
        assert farthest(resample(image, size, kernel, box), reference) <= bound, (original_size, size, box)


@pytest.mark.usefixtures("backend")
def test_a_step_at_the_border_does_not_grow() -> None:
    """Cubic convolution of 100, 180, 180 ... with 100 repeated before it, and not a line through 100 and 180."""
    image = Image.new("L", (8, 1), 180)
    image.putpixel((0, 0), 100)
    row = resample(image, (80, 1), "cubic").tobytes()
    # At -0.45 pixels from the centre of the first one. Its neighbours are 100, 100 and 180, with Keys' weights.
    assert row[0] == pytest.approx(94.6, abs=1)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("kernel", KERNELS)
def test_no_value_leaves_its_range_near_strong_edges(kernel: str) -> None:
    """A value that went around 255 would make dark what is bright."""
    image = Image.new("RGB", (90, 60), (0, 0, 255))
    image.paste((255, 255, 0), (30, 20, 60, 40))
    for size in [(89, 59), (40, 30), (200, 150)]:
        result = resample(image, size, kernel)
        assert (
            farthest(result, in_floating_point(premultiplied(image), size, kernel, None)) <= 40
        )  # over- and undershoot
        clear_of_edges = result.getpixel((size[0] // 2, size[1] // 2)), result.getpixel((size[0] // 9, size[1] // 9))
        assert clear_of_edges == ((255, 255, 0), (0, 0, 255))


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("kernel", [name for name in KERNELS if name != "nearest"])
def test_the_colour_of_transparent_pixels_is_invisible(kernel: str) -> None:
    image = Image.new("RGBA", (80, 40), (0, 255, 0, 0))
    image.paste((200, 10, 10, 255), (0, 0, 40, 40))
    result = resample(image, (31, 17), kernel)
    for red, green, _, alpha in result.get_flattened_data():
        assert alpha == 0 or green <= 10 + 255 // alpha, (red, green, alpha)
    assert result.getpixel((0, 0)) == (200, 10, 10, 255)
    assert result.getpixel((30, 16))[3] == 0


@pytest.mark.usefixtures("backend")
def test_a_box_with_fractions_that_ends_at_the_edge_is_inside() -> None:
    image = noise("L", (4032, 3))
    for part in range(1, 2000):
        start = 4032 * part / 2003
        assert resample(image, (2, 2), "box", (start, 0, 4032, 3)).size == (2, 2)


@pytest.mark.usefixtures("backend")
def test_a_picture_in_several_blocks_of_memory_is_resampled_whole() -> None:
    """Pillow stores a picture in blocks of 16 MB."""
    image = Image.linear_gradient("L").resize((2600, 2600)).convert("RGB")
    reference = in_floating_point(premultiplied(image), (1000, 1000), "linear", None)
    assert farthest(resample(image, (1000, 1000), "linear"), reference) <= BOUND


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("mode", ["LA", "CMYK", "F", "I"])
def test_rare_modes_are_resampled_too(mode: str) -> None:
    image = Image.new("L", (30, 20), 77).convert(mode)
    assert resample(image, (11, 9), "lanczos3").getpixel((5, 5)) == image.getpixel((0, 0))


@pytest.mark.usefixtures("backend")
def test_the_original_stays_as_it_is() -> None:
    image = noise("RGBA", (60, 40), (0, 255))
    before = image.tobytes()
    result = resample(image, (60, 40), "lanczos3")
    result.paste((1, 2, 3, 4), (0, 0, 60, 40))
    assert image.tobytes() == before


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5)])
def test_a_size_without_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"cannot resample .* of 9 x 9 pixels to"):
        resample(Image.new("RGB", (9, 9)), size, "linear")


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    "box",
    [
        (-0.1, 0, 5, 5),
        (0, 0, 9.1, 5),
        (0, 0, 5, 9.1),
        (5, 0, 5, 5),
        (6, 0, 5, 5),
        (math.nan, 0, 5, 5),
        (0, 0, 5, math.nan),
    ],
)
def test_a_box_outside_of_the_picture_is_refused(box: Box) -> None:
    with pytest.raises(ValueError, match=re.escape(f"cannot resample {box} of 9 x 9 pixels to 4 x 4")):
        resample(Image.new("RGB", (9, 9)), (4, 4), "linear", box)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_every_set_of_instructions_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    flags = set(Path("/proc/cpuinfo").read_text().split())
    known = ["none", *({"sse4_1", "avx2"} & flags)]
    assert "sse4_1" in known
    real, used = resampling.fast.Resizer, set()
    for original_size, size, box in CASES + MANY_TIMES_SMALLER:
        image = noise(mode, original_size, (0, 255))
        for kernel in FAST_KERNELS:
            results = set()
            for name in known:
                resizer = real()
                resizer.cpu_extensions = resampling.fast.CpuExtensions[name]
                used.add(resizer.cpu_extensions.name)
                monkeypatch.setattr(resampling.fast, "Resizer", lambda resizer=resizer: resizer)
                results.add(resample(image, size, kernel, box).tobytes())
            assert len(results) == 1, (original_size, size, box, kernel)
    assert used == set(known)


@pytest.mark.usefixtures("fast")
def test_resampling_starts_no_thread() -> None:
    before = set(Path("/proc/self/task").iterdir())
    resample(noise("RGBA", (2000, 1500)), (800, 600), "lanczos3")
    assert set(Path("/proc/self/task").iterdir()) <= before


@pytest.mark.usefixtures("fast")
def test_memory_that_rust_would_not_get_is_a_memory_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rust would abort the process."""
    image = noise("RGBA", (200, 100))
    asked: list[int] = []
    real: Callable[..., mmap.mmap] = mmap.mmap

    def refused(descriptor: int, size: int, **options: int) -> mmap.mmap:
        asked.append(size)
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refused)
    with pytest.raises(MemoryError):
        resample(image, (90, 50), "lanczos3")
    assert asked[0] >= 200 * 100 * 4 + 200 * 50 * 4
    monkeypatch.setattr(mmap, "mmap", real)
    assert resample(image, (90, 50), "lanczos3").size == (90, 50)


@pytest.mark.usefixtures("fast")
def test_a_panic_in_rust_is_an_error_that_fails_one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    class Panicking:
        def resize_pil(self, *arguments: object) -> None:
            raise PanicException("index out of bounds")

    monkeypatch.setattr(resampling.fast, "Resizer", Panicking)
    with pytest.raises(RuntimeError, match="index out of bounds"):
        resample(noise("RGB", (9, 9)), (4, 4), "linear")


def test_pillow_does_what_cykooz_resizer_cannot(backend: str) -> None:
    image = noise("RGB", (90, 70), (0, 255))
    for kernel in ("nearest", "hamming"):
        expected = image.resize((31, 25), KERNELS[kernel].pillow)
        assert ImageChops.difference(resample(image, (31, 25), kernel), expected).getbbox() is None


def test_no_other_module_resamples() -> None:
    """conversion.py takes the mean of all pixels; loading.py averages blocks of a lossless JPEG, as libjpeg does;
    chroma.py and similarity.py average blocks of 2 x 2 pixels to measure a picture, and make none."""
    modules = Path(resampling.__file__).parents[1].rglob("*.py")
    allowed = {"resampling.py", "conversion.py", "loading.py", "chroma.py", "similarity.py"}
    calls = re.compile(r"\.(resize|reduce|thumbnail)\(")
    assert {module.name for module in modules if calls.search(module.read_text())} == allowed


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("kernel", ["nearest", "linear", "cubic", "lanczos3"])
def test_a_long_picture_is_resampled_in_parts_without_seams(
    monkeypatch: pytest.MonkeyPatch, mode: str, kernel: str
) -> None:
    for original, size, box in (
        ((5000, 2), (4500, 2), None),
        ((5000, 2), (8500, 3), (0.3, 0.1, 4999.6, 1.8)),
        ((3, 5000), (2, 1050), None),
        ((5000, 2), (40, 1), None),
        ((3, 5000), (1, 1), (0.0, 1000.5, 3.0, 4000.5)),
    ):
        image = noise(mode, original)
        monkeypatch.setattr(resampling, "LONGEST", 2**19)
        at_once = resample(image, size, kernel, box)
        monkeypatch.setattr(resampling, "LONGEST", 512)
        in_parts = resample(image, size, kernel, box)
        assert in_parts.size == size
        # Pillow averages blocks (REDUCING_GAP), whose borders depend on where a part begins.
        bound = 3 if resampling.fast else 12
        assert farthest(in_parts, premultiplied(at_once)) <= bound, (original, size, box)
