"""Colours of photos: profiles, numbers instead of a profile, CMYK; and the profile of results."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image, ImageCms

from darkroom.containers.colour_numbers import Cicp, ColourNumbers
from darkroom.containers.item_properties import item_properties
from tests.support import isobmff
from tests.support.container_files import chunk, png, saved
from tests.support.plain_photo import job
from worker.photo.colour.icc_profiles import DISPLAY_P3, icc_profile, profile_name, profile_of, profile_of_numbers
from worker.photo.colour.tone_mapping import srgb_level
from worker.photo.pipeline import produce

LIMIT = 1_000_000
P3_CHROMATICITIES = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)


def chromaticities(values: tuple[float, ...]) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(100_000 * value) for value in values)))


def gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(100_000 * value)))


P3 = chunk(b"cICP", bytes([12, 13, 0, 1]))
SRGB = chunk(b"sRGB", b"\0")


def profile_chunk(profile: bytes) -> bytes:
    data = saved(Image.new("RGB", (1, 1)), "PNG", icc_profile=profile)
    at = data.index(b"iCCP") - 4
    return data[at : at + 12 + int.from_bytes(data[at : at + 4])]


# --- profiles that are made -------------------------------------------------------------------------------------------


def test_display_p3_is_that_of_icc():
    """The colourants of Apple's own profile."""
    profile = profile_of(DISPLAY_P3)
    assert profile is not None
    assert profile_name(profile) == "Display P3"
    assert profile.profile.red_colorant[0] == pytest.approx((0.51512, 0.24120, -0.00105), abs=0.0002)
    assert profile.profile.green_colorant[0] == pytest.approx((0.29198, 0.69225, 0.04189), abs=0.0002)
    assert profile.profile.blue_colorant[0] == pytest.approx((0.15710, 0.06657, 0.78407), abs=0.0002)


def test_numbers_of_srgb_need_no_profile():
    assert profile_of_numbers(ColourNumbers()) is None
    for transfer in (1, 2, 6, 13, 14, 15):
        assert profile_of_numbers(ColourNumbers(Cicp(1, transfer))) is None
        assert profile_of_numbers(ColourNumbers(Cicp(2, transfer))) is None


@pytest.mark.parametrize("values", [(0.3, 0.0, *P3_CHROMATICITIES[2:]), (0.3, 0.3) * 4, (0.0,) * 8])
def test_impossible_chromaticities_are_ignored(read, values):
    found = read(png([bytes([200, 100, 50])], 1, before=chromaticities(values)))
    assert found.image.getpixel((0, 0)) == (200, 100, 50)
    with pytest.raises(ZeroDivisionError):
        icc_profile("impossible", values, (1.0,))


# --- PNG --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [P3, gamma(0.45455) + chromaticities(P3_CHROMATICITIES), profile_chunk(DISPLAY_P3)])
def test_a_png_in_display_p3(read, before):
    """However it says so. The pixel is as by the matrices of both spaces."""
    found = read(png([bytes([200, 100, 50])], 1, before=before))
    assert found.image.getpixel((0, 0)) == pytest.approx((215, 93, 31), abs=1)


@pytest.mark.parametrize(
    "before",
    [
        gamma(0.45455),
        gamma(0.46),
        SRGB + gamma(1.0) + chromaticities(P3_CHROMATICITIES),
        profile_chunk(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()) + gamma(1.0),
        chunk(b"cICP", bytes([1, 13, 0, 1])) + profile_chunk(DISPLAY_P3),
        chunk(b"cICP", bytes([12, 13, 9, 1])),  # a PNG has no such matrix
        gamma(0),
    ],
)
def test_a_png_in_srgb(read, before):
    """cICP comes before a profile, that before sRGB, and that before gAMA and cHRM."""
    assert read(png([bytes([200, 100, 50])], 1, before=before)).image.getpixel((0, 0)) == (200, 100, 50)


def test_a_png_of_linear_light(read):
    found = read(png([bytes([51, 128, 204])], 1, before=gamma(1.0)))
    assert found.image.getpixel((0, 0)) == pytest.approx([255 * srgb_level(v / 255) for v in (51, 128, 204)], abs=1)


def test_a_gray_png_of_linear_light(read):
    found = read(png([bytes([51])], 1, colour=0, before=gamma(1.0)))
    assert found.image.convert("L").getpixel((0, 0)) == pytest.approx(255 * srgb_level(51 / 255), abs=1)


def test_a_profile_that_cannot_be_used_is_said(read):
    broken = read(saved(Image.new("RGB", (4, 4), (200, 100, 50)), "PNG", icc_profile=b"broken"))
    gray = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    other = read(saved(Image.new("RGB", (4, 4), (200, 100, 50)), "JPEG", icc_profile=gray))
    for found in (broken, other):
        assert [warning.code for warning in found.warnings] == ["profile_ignored"]


# --- CMYK -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile_is_ink_on_paper(read, format_):
    inks = Image.new("CMYK", (16, 16), (0, 200, 200, 0))
    found = read(saved(inks, format_, **({"quality": 100} if format_ == "JPEG" else {})))
    assert found.image.getpixel((8, 8)) == pytest.approx((237, 73, 53), abs=6)
    assert [warning.code for warning in found.warnings] == ["assumed_cmyk_profile"]


def test_paper_is_white_and_all_ink_is_nearly_black(read):
    paper, ink = (read(saved(Image.new("CMYK", (8, 8), (v,) * 4), "TIFF")).image.getpixel((4, 4)) for v in (0, 255))
    assert min(paper) >= 253
    assert max(ink) <= 40


# --- results ----------------------------------------------------------------------------------------------------------


RED = (200, 100, 50)
RED_IN_P3 = (187, 105, 61)  # by the matrices of both spaces


@pytest.fixture
def results(tmp_path):
    """Do jobs (a name -> its fields) of a photo in one order. Returns picture and name of the profile by name."""

    def do(data: bytes, **specs: dict[str, object]) -> dict[str, tuple[Image.Image, str | None]]:
        path = tmp_path / "original"
        path.write_bytes(data)
        files = {name: io.BytesIO() for name in specs}
        with path.open("rb") as original:
            jobs = {name: job(**spec) for name, spec in specs.items()}
            ends = list(produce(original, jobs, files, LIMIT))
        assert not [end.result for end in ends if isinstance(end.result, Exception)]
        found = {}
        for name, file in files.items():
            with Image.open(file) as picture:
                picture.load()
            found[name] = (picture, profile_name(profile_of(picture.info.get("icc_profile"))))
        return found

    return do


def resize(profile: str, format_: str = "png", **more: object) -> dict[str, object]:
    return {"type": "resize", "width": 32, "output": {"format": format_, "profile": profile}, **more}


def plain(colour: tuple[int, ...] = RED, size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.new("RGB" if len(colour) == 3 else "RGBA", size, colour)


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "avif"])
def test_results_in_display_p3_are_converted_and_tagged(results, format_):
    picture, profile = results(saved(plain(), "PNG"), p3=resize("p3", format_))["p3"]
    assert profile == "Display P3"
    assert picture.getpixel((16, 16)) == pytest.approx(RED_IN_P3, abs=1 if format_ == "png" else 6)


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "avif"])
def test_results_keep_the_profile_of_the_photo(results, format_):
    picture, profile = results(saved(plain(), "PNG", icc_profile=DISPLAY_P3), kept=resize("keep", format_))["kept"]
    assert profile == "Display P3"
    assert picture.getpixel((16, 16)) == pytest.approx(RED, abs=0 if format_ == "png" else 6)


def test_jobs_of_one_order_have_their_own_profiles(results):
    """They share what is decoded, and nothing that is converted."""
    data = saved(plain(size=(400, 400)), "PNG", icc_profile=DISPLAY_P3)
    found = results(
        data,
        whole={"type": "filter", "filter": "blur", "sigma": 1, "output": {"format": "png", "profile": "p3"}},
        srgb=resize("srgb"),
        kept=resize("keep"),
        p3=resize("p3", width=20),
        small=resize("srgb", width=10),
        cut=resize("keep", width=20, height=10, fit="cover", position="attention"),
    )
    pixels = {name: picture.getpixel((2, 2)) for name, (picture, _) in found.items()}
    assert pixels["whole"] == pixels["kept"] == pixels["p3"] == pixels["cut"] == pytest.approx(RED, abs=1)
    assert pixels["srgb"] == pixels["small"] == pytest.approx((215, 93, 31), abs=1)
    assert {name for name, (_, profile) in found.items() if profile} == {"whole", "kept", "p3", "cut"}


@pytest.mark.parametrize(
    "data",
    [
        saved(plain(), "PNG"),
        saved(Image.new("L", (64, 64), 90), "PNG", icc_profile=DISPLAY_P3),
        saved(Image.new("CMYK", (64, 64), (0, 100, 100, 0)), "TIFF"),
    ],
    ids=["no profile", "gray", "CMYK"],
)
def test_what_cannot_be_kept_becomes_srgb(results, data):
    found = results(data, kept=resize("keep"), srgb=resize("srgb"))
    assert found["kept"][1] is None
    assert found["kept"][0].getpixel((5, 5)) == found["srgb"][0].getpixel((5, 5))


@pytest.mark.parametrize("format_", ["png", "jpeg"])
def test_background_colours_are_srgb_in_every_profile(results, format_):
    """`contain` lays the picture on the background, and JPEG has no transparency."""
    data = saved(plain((*RED, 0)), "PNG")
    output = {"format": format_, "profile": "p3", "background": "#c86432"}
    size = {"width": 64, "height": 32, "fit": "contain", "background": "#c86432"}
    found = results(data, padded={"type": "resize", **size, "output": output})
    picture = found["padded"][0].convert("RGB")
    assert picture.getpixel((1, 16)) == pytest.approx(RED_IN_P3, abs=1 if format_ == "png" else 6)
    if format_ == "jpeg":
        assert picture.getpixel((32, 16)) == pytest.approx(RED_IN_P3, abs=6)


# --- gain maps --------------------------------------------------------------------------------------------------------

ULTRA_HDR = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/></rdf:RDF></x:xmpmeta>'
)


def test_a_lost_gain_map_is_said_of_pictures_and_not_of_metadata(tmp_path):
    path = tmp_path / "original"
    path.write_bytes(saved(plain(), "JPEG", xmp=ULTRA_HDR))
    jobs = {"small": job(**resize("srgb")), "facts": job(type="metadata", colours=3)}
    with path.open("rb") as original:
        ends = {end.job: end.result for end in produce(original, jobs, {name: io.BytesIO() for name in jobs}, LIMIT)}
    codes = {name: [warning.code for warning in result.warnings] for name, result in ends.items()}
    assert "gain_map_lost" in codes["small"]
    assert "gain_map_lost" not in codes["facts"]


def test_gain_maps_of_iso(read):
    segment = b"\xff\xe2\0\x22urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"
    assert read(saved(plain(), "JPEG", extra=segment)).gain_map
    assert not read(saved(plain(), "JPEG")).gain_map


def test_gain_maps_of_avif_and_heic():
    avif = saved(plain(), "AVIF")
    apple = isobmff.full_box(b"auxC", b"urn:com:apple:photo:2020:aux:hdrgainmap\0")
    depth = isobmff.full_box(b"auxC", b"urn:mpeg:hevc:2015:auxid:2\0")
    assert item_properties(io.BytesIO(isobmff.with_property(avif, apple))).gain_map
    assert item_properties(io.BytesIO(isobmff.heif(b"hvc1", b"heic", tiles=(b"tmap",)))).gain_map
    assert not item_properties(io.BytesIO(isobmff.with_property(avif, depth))).gain_map
