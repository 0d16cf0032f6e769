"""A gray ramp through every format, mode and depth that is read or written: no level is darker than the one before."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from tempfile import TemporaryFile

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from darkroom.jobs.output_formats import OUTPUT_FORMATS
from darkroom.sniff import INPUT_FORMATS
from tests.support.plain_photo import done

BLOCK = 16
"""Pixels of each side of a step: lossy formats keep the mean of such a block, and each has neighbours of its own."""

STEPS = 64

LEVELS = np.round(np.linspace(0, 255, STEPS)).astype(np.uint8)


def ramp(mode: str) -> Image.Image:
    gray = Image.fromarray(np.repeat(np.repeat(LEVELS[None], BLOCK, 0), BLOCK, 1))
    if mode in {"LA", "RGBA"}:
        gray = gray.convert(mode)
        gray.putalpha(Image.new("L", gray.size, 200))
        return gray
    if mode == "CMYK":  # black ink alone
        none = Image.new("L", gray.size, 0)
        return Image.merge("CMYK", [none, none, none, gray.point(lambda level: 255 - level)])
    if mode == "P":
        return gray.convert("RGB").quantize(256)
    return gray if mode == "L" else gray.convert(mode)


def saved(mode: str, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    ramp(mode).save(file, format_, **options)
    return file.getvalue()


def deep(mode: str, code: str, largest: float, format_: str) -> bytes:
    """A ramp of 1024 levels."""
    values = [level * largest / 1023 for level in range(1024)]
    packed = struct.pack(f"<1024{code}", *(values if code in "fd" else map(round, values)))
    file = io.BytesIO()
    Image.frombytes(mode, (1024, 1), packed).resize((1024, 8), Image.Resampling.NEAREST).save(file, format_)
    return file.getvalue()


def few_bits(bits: int, colour_type: int) -> bytes:
    """A PNG whose samples have 1, 2, 4 or 16 bits, with one pixel for each level, or 1024 of them."""
    count, channels = min(2**bits, 1024), {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    levels = [round(at * (2**bits - 1) / (count - 1)) for at in range(count)]
    if bits == 16:
        colours = channels - (colour_type in {4, 6})
        row = b"".join(struct.pack(">H", v) * colours + b"\xff\xff" * (channels - colours) for v in levels)
    else:
        text = "".join(f"{level:0{bits}b}" for level in levels)
        row = (
            int(text, 2).to_bytes(-(-len(text) // 8), "big") if len(text) >= 8 else bytes([int(text.ljust(8, "0"), 2)])
        )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", count, 4, bits, colour_type, 0, 0, 0)
    pixels = zlib.compress((b"\0" + row) * 4)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def heif(bits: int) -> bytes:
    file = io.BytesIO()
    if bits == 8:
        pillow_heif.from_pillow(ramp("RGB")).save(file, quality=90)
    else:
        wide = np.repeat(np.asarray(ramp("L")).astype(np.uint16)[..., None] * 257, 3, -1)
        data = pillow_heif.from_bytes("RGB;16", (wide.shape[1], wide.shape[0]), wide.tobytes())
        data.save(file, quality=90, bit_depth=bits)
    return file.getvalue()


INPUTS: Mapping[str, Callable[[], bytes]] = {
    "jpeg, gray": lambda: saved("L", "JPEG", quality=90),
    "jpeg, 4:2:0": lambda: saved("RGB", "JPEG", quality=90),
    "jpeg, 4:4:4, progressive": lambda: saved("RGB", "JPEG", quality=90, subsampling=0, progressive=True),
    "jpeg, CMYK": lambda: saved("CMYK", "JPEG", quality=95),
    **{f"png, {mode}": lambda mode=mode: saved(mode, "PNG") for mode in ("L", "LA", "P", "RGB", "RGBA")},
    **{f"png, gray of {bits} bits": lambda bits=bits: few_bits(bits, 0) for bits in (1, 2, 4, 16)},
    "png, RGB of 16 bits": lambda: few_bits(16, 2),
    "png, gray of 16 bits with alpha": lambda: few_bits(16, 4),
    "png, RGB of 16 bits with alpha": lambda: few_bits(16, 6),
    "gif": lambda: saved("P", "GIF"),
    "webp": lambda: saved("RGB", "WEBP", quality=90),
    "webp, lossless with alpha": lambda: saved("RGBA", "WEBP", lossless=True, exact=True),
    **{f"tiff, {mode}": lambda mode=mode: saved(mode, "TIFF") for mode in ("L", "LA", "P", "RGB", "RGBA", "CMYK")},
    "tiff, YCbCr in JPEG": lambda: saved("YCbCr", "TIFF", compression="jpeg"),
    "tiff, gray of 16 bits": lambda: deep("I;16", "H", 65535, "TIFF"),
    "tiff, gray of 32 bits": lambda: deep("I", "i", 65535, "TIFF"),
    "tiff, gray in floats": lambda: deep("F", "f", 1.0, "TIFF"),
    "avif": lambda: saved("RGB", "AVIF", quality=90),
    "avif, 4:4:4": lambda: saved("RGBA", "AVIF", quality=90, subsampling="4:4:4"),
    **{f"heic of {bits} bits": lambda bits=bits: heif(bits) for bits in (8, 10, 12)},
}
"""Formats, modes and depths that are read. The largest level is white."""

OUTPUTS = {format_: {} if format_ == "png" else {"quality": 90} for format_ in OUTPUT_FORMATS}


def made(data: bytes, **output: object) -> np.ndarray:
    """The colours of a photo's result, of the same size as the photo."""
    with Image.open(io.BytesIO(data)) as photo:
        width = photo.width
    with TemporaryFile() as original:
        original.write(data)
        original.seek(0)
        _, file = done(original, 1_000_000, type="resize", width=width, output=output)
    with Image.open(file) as result:
        return np.asarray(result.convert("RGBA"), np.int32)


def levels(pixels: np.ndarray) -> np.ndarray:
    """One gray level for each step, or each column: steps x RGB."""
    if pixels.shape[1] == STEPS * BLOCK and pixels.shape[0] == BLOCK:
        return pixels[..., :3].reshape(BLOCK, STEPS, BLOCK, 3)[4:12, :, 4:12].mean(axis=(0, 2))
    return pixels[..., :3].mean(axis=0)


def assert_ramp(found: np.ndarray, black: float = 4, tint: float = 2) -> None:
    """Never darker than before, from black to white, and gray."""
    assert np.diff(found.mean(axis=-1)).min() >= 0
    assert found[0].max() <= black
    assert found[-1].min() >= 251
    assert np.ptp(found, axis=-1).max() <= tint


@pytest.mark.parametrize("kind", INPUTS)
def test_a_ramp_of_every_kind_that_is_read_stays_monotonic(kind):
    """Black ink on paper is neither wholly black nor wholly gray."""
    on_paper = {"black": 64, "tint": 16} if "CMYK" in kind else {}
    assert_ramp(levels(made(INPUTS[kind](), format="png")), **on_paper)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("format_", OUTPUTS)
def test_a_ramp_in_every_format_that_is_written_stays_monotonic(mode, format_):
    found = levels(made(saved(mode, "PNG"), format=format_, background="#000000", **OUTPUTS[format_]))
    if format_ == "jpeg" and mode in {"LA", "RGBA"}:  # alpha is 200, and the background black
        found = found * 255 / 200
    assert_ramp(found)


def test_every_format_that_is_read_has_a_ramp():
    content_types = {Image.MIME[format_] for format_ in INPUT_FORMATS if format_ in Image.MIME}
    kinds = {f"image/{kind.split()[0].strip(',')}" for kind in INPUTS}
    assert content_types - {"image/mpo"} <= kinds | {"image/heif"}
