"""JPEG XL photos: what their header says, and the pixels that libjxl makes of them. Files in hex are from cjxl 0.7."""

from __future__ import annotations

import io
import json
import random
import struct

import pillow_jxl
import pytest
from PIL import Image

from darkroom.containers.jxl import CODESTREAM, CONTAINER, JxlHeader, codestream, read_header
from darkroom.errors import TooManyPixels, UnreadablePhoto, UnsupportedPhoto
from darkroom.extras import MODULES
from darkroom.sniff import accept_extra_inputs, sniff
from tests.support.metadata_blocks import exif, short, text
from tests.support.plain_photo import done
from worker.photo.decode import jxl_pixels
from worker.photo.metadata.read import read_tags
from worker.photo.tiff_tags import IMAGE

LIMIT = 100_000

TURNED = bytes.fromhex(
    "0000000c4a584c200d0a870a00000014667479706a786c20000000006a786c200000003d6a786c63ff0a18700b041497040802010098004b189bed"
    "4e4141c209326f22fd0710894a070000001878bcc9010000e021d978d94501000000"
)
"""8 x 4 pixels, the left half red and the right half blue, with orientation 6, without loss."""

ANIMATED = bytes.fromhex(
    "ff0a18704100161497040808a002000074004b188b15c211e26e05fd5d40040085ccac530f20e5736bb830000000000808a042000070004b188b15"
    "c211326f82d72f2002804176b6a907d0f2b9338400000000"
)
"""Two frames."""


@pytest.fixture(autouse=True)
def _accepted():
    accept_extra_inputs(["jxl"])
    yield
    accept_extra_inputs(())


def coded(image, *, quality=100, container=False, blocks=None):
    encoder = pillow_jxl.Encoder(
        mode=image.mode,
        lossless=quality == 100,
        quality=quality,
        decoding_speed=0,
        effort=3,
        use_container=container,
        use_original_profile=quality == 100,
        num_threads=0,
    )
    metadata = {"exif": None, "xmp": None, "jumb": None, "compress": False, **(blocks or {})}
    return encoder(image.tobytes(), *image.size, jpeg_encode=False, **metadata)


def noise_of(mode, size):
    length = len(Image.new(mode, size).tobytes())
    return Image.frombytes(mode, size, random.Random(3).randbytes(length))


def png_of(tmp_path, data, **job):
    (tmp_path / "photo").write_bytes(data)
    with (tmp_path / "photo").open("rb") as original:
        _, file = done(original, LIMIT, type="convert", output={"format": "png"}, **job)
    return Image.open(file)


def header_of(data):
    return read_header(io.BytesIO(data))


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (16, 9), (120, 100), (257, 300), (8, 1000), (400, 200)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "I;16"])
@pytest.mark.parametrize("container", [False, True])
def test_the_header_has_size_depth_and_channels(size, mode, container):
    data = coded(noise_of(mode, size), container=container)
    in_boxes = container or mode == "I;16"  # a box has the level that 16 bits without loss need
    assert data.startswith(CONTAINER if in_boxes else CODESTREAM)
    alpha = mode.endswith("A")
    bits = 16 if mode == "I;16" else 8
    assert header_of(data) == JxlHeader(*size, 1, bits, int(alpha), alpha, mode[0] in "LI", animated=False)
    assert header_of(coded(noise_of("RGB", size), quality=80)) == JxlHeader(*size)


def test_the_size_is_that_of_the_upright_picture():
    assert header_of(TURNED) == JxlHeader(4, 8, orientation=6)


def test_parts_of_the_codestream_are_put_together_and_have_to_be_in_order():
    bare = coded(noise_of("RGB", (60, 40)))

    def in_parts(*numbers):
        cuts = [bare[:3], bare[3:50], bare[50:]]
        parts = [struct.pack(">I4sI", 12 + len(cut), b"jxlp", n) + cut for n, cut in zip(numbers, cuts, strict=True)]
        return CONTAINER + b"".join(parts)

    last = 0x80000000
    assert codestream(io.BytesIO(in_parts(0, 1, 2 | last))) == bare
    assert header_of(in_parts(0, 1, 2 | last)) == JxlHeader(60, 40)
    with pytest.raises(UnreadablePhoto, match="damaged or cut short"):
        sniff(io.BytesIO(in_parts(0, 2, 1 | last)), LIMIT)


def test_sniffing_decodes_nothing_and_needs_no_decoder(monkeypatch):
    data = coded(noise_of("RGB", (60, 40)))
    monkeypatch.setattr(jxl_pixels, "LibjxlDecoder", None)
    found = sniff(io.BytesIO(data[:40]), LIMIT)  # the pixels stand behind
    assert (found.format, found.content_type, found.width, found.height) == ("jxl", "image/jxl", 60, 40)


def test_too_many_pixels_are_refused_before_anything_is_decoded():
    huge = bytearray(b"\xff\x0a")
    # SizeHeader: no blocks of 8; a height of 2^30 by selector 3; the ratio 1:1; then the usual picture
    huge += (0 | 3 << 1 | (2**30 - 1) << 3 | 1 << 33 | 1 << 36).to_bytes(8, "little")
    with pytest.raises(TooManyPixels, match=r"1073741824 x 1073741824\); at most 100,000 are allowed"):
        sniff(io.BytesIO(bytes(huge)), LIMIT)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_pixels_without_loss_are_exact(tmp_path, mode):
    image = noise_of(mode, (60, 40))
    with png_of(tmp_path, coded(image)) as result:
        colours = "RGBA" if "A" in mode else "RGB"
        for one, other in zip(result.convert(colours).split(), image.convert(colours).split(), strict=True):
            differences = [abs(a - b) for a, b in zip(one.tobytes(), other.tobytes(), strict=True)]
            assert max(differences) <= (1 if mode[0] == "L" else 0)  # gray has a profile of its own


def test_gray_of_16_bits_is_read_by_its_profile(tmp_path):
    """The plugin writes it as linear light: half of the light is level 188 of sRGB."""
    levels = Image.new("I;16", (2, 1))
    levels.putpixel((0, 0), 128 * 257)
    levels.putpixel((1, 0), 65535)
    with png_of(tmp_path, coded(levels)) as result:
        assert [result.convert("L").getpixel((x, 0)) for x in (0, 1)] == pytest.approx([188, 255], abs=1)


def test_the_header_turns_the_picture_and_exif_does_not_turn_it_again(tmp_path):
    with png_of(tmp_path, TURNED) as result:
        assert result.size == (4, 8)
        assert result.getpixel((1, 1))[0] > 150  # red above
        assert result.getpixel((1, 6))[2] > 150
    block = exif(image=[short(0x0112, 6)])
    stated = coded(noise_of("RGB", (60, 40)), container=True, blocks={"exif": bytes(4) + block})
    with png_of(tmp_path, stated) as result:
        assert result.size == (60, 40)


@pytest.mark.parametrize("before", [bytes(4), b"\0\0\0\6Exif\0\0", b""])
def test_rights_travel_whatever_stands_before_exif(tmp_path, before):
    block = exif(image=[text(0x8298, "(c) Ada"), short(0x0112, 1)])
    data = coded(noise_of("RGB", (60, 40)), container=True, blocks={"exif": before + block})
    (tmp_path / "photo").write_bytes(data)
    with (tmp_path / "photo").open("rb") as original:
        _, file = done(original, LIMIT, type="resize", width=30, output={"format": "jxl"})
    assert read_tags(file, "jxl").text(IMAGE, 0x8298) == "(c) Ada"


def test_a_bare_codestream_has_no_faults(tmp_path):
    (tmp_path / "photo").write_bytes(coded(noise_of("RGB", (60, 40)), quality=80))
    with (tmp_path / "photo").open("rb") as original:
        result, file = done(original, LIMIT, type="metadata")
    assert (json.loads(file.getvalue())["unreadable"], result.warnings) == ([], ())


def test_an_animation_is_refused():
    with pytest.raises(UnsupportedPhoto, match="This is an animated JPEG XL; only still ones are read"):
        sniff(io.BytesIO(ANIMATED), LIMIT)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_pixels_that_are_cut_short_are_refused_in_our_words(tmp_path, share):
    data = coded(noise_of("RGB", (60, 40)))
    with pytest.raises(UnreadablePhoto, match=r"^The JXL data is damaged or cut short"):
        png_of(tmp_path, data[: int(share * len(data))])


@pytest.mark.parametrize("data", [b"\xff\x0a", b"\xff\x0a\x01", CONTAINER, CONTAINER + struct.pack(">I4s", 8, b"jxlc")])
def test_a_header_that_is_cut_short_is_refused_in_our_words(data):
    with pytest.raises(UnreadablePhoto, match=r"^The header is damaged or cut short"):
        sniff(io.BytesIO(data), LIMIT)


def test_without_the_extra_the_upload_is_refused_and_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(MODULES, "jxl", "not_installed")
    with pytest.raises(UnsupportedPhoto, match="can install the extra jxl and add jxl to DARKROOM_EXTRA_INPUTS"):
        sniff(io.BytesIO(TURNED), LIMIT)


def test_libjxl_gets_no_more_memory_than_there_is(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(jxl_pixels, "require_memory", asked.append)
    png_of(tmp_path, coded(noise_of("RGBA", (60, 40)))).close()
    assert asked == [(jxl_pixels.MEMORY + jxl_pixels.MEMORY_OF_A_CHANNEL) * 60 * 40]
