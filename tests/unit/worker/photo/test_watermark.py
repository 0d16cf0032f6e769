"""The watermark step: an uploaded picture on a photo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageCms

from darkroom.asset_errors import AssetMissing, UnreadableAsset
from darkroom.errors import PhotoError
from darkroom.jobs.steps.overlays.watermark import Watermark
from worker.photo.colour.icc_profiles import DISPLAY_P3, RESULT_PROFILES
from worker.photo.materials import Materials
from worker.photo.operations.overlays import placing
from worker.photo.operations.overlays import watermark as module
from worker.photo.operations.overlays.placing import corner_of
from worker.photo.operations.overlays.watermark import watermark

ID = "0" * 64

RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture
def files() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def uploaded(files):
    """Materials with a picture, or bytes, as the uploaded file."""

    def with_asset(picture, format_="PNG", colours="srgb", profile=None, **options):
        file = files.enter_context(TemporaryFile())  # noqa: SIM115 - the stack closes it
        if isinstance(picture, bytes):
            file.write(picture)
        else:
            picture.save(file, format_, **options)
        file.flush()
        photo = SimpleNamespace(colours=profile, max_pixels=1_000_000)
        return Materials(photo=photo, assets={ID: file}, colours=colours)

    return with_asset


def marked(image, materials, **fields):
    return watermark(image, Watermark(**{"image": ID, "margin": 0, **fields}), materials)


def box_of(image, materials, **fields):
    """The box of the pixels that the watermark changes."""
    return ImageChops.difference(image, marked(image, materials, **fields).convert(image.mode)).getbbox()


@pytest.mark.parametrize("picture", [(400, 300), (300, 400), (1000, 300)])
@pytest.mark.parametrize(("mark", "size"), [((80, 40), (60, 30)), ((10, 20), (30, 60)), ((300, 300), (60, 60))])
def test_the_longer_side_is_a_share_of_the_shorter_side_of_the_photo(uploaded, picture, mark, size):
    left, top, right, bottom = box_of(
        Image.new("RGB", picture), uploaded(Image.new("RGB", mark, RED)), scale=0.2, position="northwest"
    )
    assert (left, top, right, bottom) == (0, 0, *size)


def test_without_a_scale_it_keeps_its_pixels(uploaded, noise):
    materials = uploaded(noise)
    result = marked(Image.new("RGB", (200, 200)), materials, scale=None, position="southeast", margin=7)
    assert result.crop((200 - 90 - 7, 200 - 70 - 7, 193, 193)).tobytes() == noise.tobytes()


def test_one_that_is_larger_than_the_photo_is_cut(uploaded, noise):
    result = marked(Image.new("RGB", (40, 30)), uploaded(noise), scale=None, position="centre")
    assert result.tobytes() == noise.crop((25, 20, 65, 50)).tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_lies_upright(uploaded, quarters, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = quarters.transpose(Image.Transpose(back[orientation])) if orientation > 1 else quarters
    result = marked(Image.new("RGB", (60, 40)), uploaded(stored, exif=exif), scale=None)
    assert result.tobytes() == quarters.tobytes()


def test_its_colour_profile_is_applied(uploaded):
    mark = Image.new("RGB", (10, 10), (200, 100, 50))
    expected = ImageCms.profileToProfile(mark, RESULT_PROFILES["p3"], RESULT_PROFILES["srgb"]).getpixel((0, 0))
    result = marked(Image.new("RGB", (10, 10)), uploaded(mark, icc_profile=DISPLAY_P3), scale=None)
    assert result.getpixel((5, 5)) == expected != (200, 100, 50)


@pytest.mark.parametrize(("colours", "profile"), [("p3", None), ("photo", RESULT_PROFILES["p3"])])
def test_it_has_the_colours_of_the_picture(uploaded, colours, profile):
    """An sRGB watermark on a picture in P3, whether that is asked for or the photo's own."""
    mark = Image.new("RGB", (10, 10), (200, 100, 50))
    expected = ImageCms.profileToProfile(mark, RESULT_PROFILES["srgb"], RESULT_PROFILES["p3"]).getpixel((0, 0))
    result = marked(Image.new("RGB", (10, 10)), uploaded(mark, colours=colours, profile=profile), scale=None)
    assert result.getpixel((5, 5)) == expected != (200, 100, 50)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "RGBA"])
def test_pictures_of_other_modes_work(uploaded, noise, mode):
    format_ = "JPEG" if mode == "CMYK" else "PNG"
    assert box_of(Image.new("RGB", (200, 200), GREEN), uploaded(noise.convert(mode), format_), scale=0.5)


def test_of_an_animation_it_is_the_first_frame(uploaded):
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, GREEN)]
    materials = uploaded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert marked(Image.new("RGB", (20, 20)), materials, scale=None).getpixel((10, 10)) == RED


def test_edges_have_no_fringes(uploaded):
    """A disc whose transparent pixels are cyan, made smaller and laid on a transparent and on an opaque picture."""
    x, y = np.meshgrid(np.arange(96) - 47.5, np.arange(96) - 47.5)
    alpha = np.clip(32 - np.hypot(x, y) + 0.5, 0, 1)
    colours = np.where((alpha > 0)[..., None], (200, 120, 40), (0, 255, 255))
    disc = Image.fromarray(np.concatenate([colours, np.round(alpha * 255)[..., None]], -1).astype(np.uint8))
    materials = uploaded(disc)
    for angle in (0, 30):
        clear = np.asarray(marked(Image.new("RGBA", (150, 150)), materials, scale=0.3, angle=angle), float)
        assert np.abs((clear[..., :3] - (200, 120, 40)) * clear[..., 3:] / 255).max() <= 3
        plain = np.asarray(marked(Image.new("RGB", (150, 150), (200, 120, 40)), materials, scale=0.3, angle=angle))
        assert np.abs(plain.astype(float) - (200, 120, 40)).max() <= 3


@pytest.mark.parametrize("spacing", [0, 7])
@pytest.mark.parametrize("position", ["northwest", "centre", "southeast"])
@pytest.mark.parametrize("mark", [(1, 1), (13, 9), (64, 200)])
def test_tiles_repeat_in_both_directions(uploaded, mark, position, spacing):
    size = (150, 110)
    result = marked(
        Image.new("RGB", size),
        uploaded(Image.new("RGB", mark, RED)),
        scale=None,
        position=position,
        tile=True,
        spacing=spacing,
    )
    left, top = corner_of(mark, size, position, 0)
    columns = (np.arange(size[0]) - left) % (mark[0] + spacing) < mark[0]
    rows = (np.arange(size[1]) - top) % (mark[1] + spacing) < mark[1]
    assert ((np.asarray(result)[..., 0] == 255) == rows[:, None] & columns).all()


@pytest.mark.parametrize(("mark", "spacing"), [((8, 6), 16_384), ((8, 3000), 0), ((3000, 8), 0), ((1, 1), 0)])
def test_copies_need_no_more_memory_than_the_picture(uploaded, monkeypatch, mark, spacing):
    sizes = []
    monkeypatch.setattr(placing, "composite", lambda _image, overlay, *_given: sizes.append(overlay.size))
    picture = Image.new("RGB", (500, 200))
    marked(picture, uploaded(Image.new("RGB", mark, RED)), scale=None, tile=True, spacing=spacing)
    assert max(width for width, _ in sizes) <= 500
    assert max(height for _, height in sizes) <= 200


def test_a_long_one_that_is_turned_in_its_own_pixels_is_a_clear_error(uploaded):
    materials = uploaded(Image.new("1", (30_000, 10)))
    image = Image.new("RGB", (500, 200))
    with pytest.raises(PhotoError, match=r"30,000 x 10 pixels would need 21,221 x 21,221\. Ask for a smaller one"):
        marked(image, materials, scale=None, angle=45)
    assert marked(image, materials, scale=0.5, angle=45).size == image.size
    assert marked(image, materials, scale=None, angle=180).size == image.size


def test_opacity_and_blend_mode(uploaded):
    materials = uploaded(Image.new("RGB", (10, 10), (200, 100, 50)))
    grey = Image.new("RGB", (10, 10), (100, 100, 100))
    assert marked(grey, materials, scale=None, opacity=0.5).getpixel((5, 5)) == (150, 100, 75)
    assert marked(grey, materials, scale=None, blend="multiply").getpixel((5, 5)) == (78, 39, 20)
    assert marked(grey, materials, scale=None, blend="color-burn").getpixel((5, 5)) == (57, 0, 0)


def test_cutting_out_makes_an_opaque_picture_transparent(uploaded):
    materials = uploaded(Image.new("RGB", (10, 10)))
    result = marked(Image.new("RGB", (30, 30), RED), materials, scale=None, blend="dest-out", position="centre")
    assert result.mode == "RGBA"
    assert (result.getpixel((15, 15))[3], result.getpixel((2, 2))) == (0, (*RED, 255))


def test_it_is_decoded_once_for_an_order(uploaded, noise, monkeypatch):
    materials, decoded = uploaded(noise), []
    file = module.PhotoFile
    monkeypatch.setattr(module, "PhotoFile", lambda *given: decoded.append(given) or file(*given))
    for position in ("north", "south"):
        marked(Image.new("RGB", (100, 100)), materials, position=position)
    assert len(decoded) == 1


@pytest.mark.parametrize("damage", ["cut", "garbage", "wrong pixels"])
def test_a_damaged_file_is_a_clear_error(uploaded, noise, tmp_path: Path, damage):
    path = tmp_path / "mark"
    noise.save(path, "PNG")
    sound = path.read_bytes()
    pixels = sound.index(b"IDAT") + 4
    damaged: Mapping[str, bytes] = {
        "cut": sound[: len(sound) // 2],
        "garbage": b"GIF89a nothing",
        "wrong pixels": sound[:pixels] + b"\xff" + sound[pixels + 1 :],
    }
    with pytest.raises(UnreadableAsset, match=rf"asset {ID} cannot be used as a watermark\. .*\."):
        marked(Image.new("RGB", (10, 10)), uploaded(damaged[damage]))


def test_too_many_pixels_are_a_clear_error(uploaded):
    with pytest.raises(UnreadableAsset, match="pixels"):
        marked(Image.new("RGB", (10, 10)), uploaded(Image.new("1", (2000, 2000))))


def test_a_file_that_was_removed_is_a_clear_error():
    with pytest.raises(AssetMissing, match="was removed"):
        marked(Image.new("RGB", (10, 10)), Materials(photo=SimpleNamespace(colours=None, max_pixels=10)))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (500, 1), (1, 500)])
@pytest.mark.parametrize("fields", [{"scale": 0.01}, {"scale": 1}, {"scale": 1, "tile": True, "angle": 45}])
def test_pictures_of_any_shape_work(uploaded, noise, mode, size, fields):
    image = Image.new(mode, size)
    result = marked(image, uploaded(noise.resize((300, 2))), **fields)
    assert (result.mode, result.size) == (mode, size)
