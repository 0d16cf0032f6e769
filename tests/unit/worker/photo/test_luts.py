"""The filters `look` and `lut`."""

from __future__ import annotations

import io
import random
from itertools import product
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from darkroom.asset_errors import AssetMissing, UnreadableAsset
from darkroom.jobs.steps.filters.looks import LookName, Lut, NamedLook
from worker.photo.materials import Materials
from worker.photo.operations.filters.looks import LOOKS
from worker.photo.operations.filters.luts import grid
from worker.photo.operations.step_functions import STEP_FUNCTIONS

ASSET = "0" * 64


def with_look(image: Image.Image, name: LookName, amount: float = 1.0) -> Image.Image:
    return STEP_FUNCTIONS[NamedLook](image, NamedLook(look=name, amount=amount), Materials(photo=None))  # type: ignore[arg-type]


def with_lut(image: Image.Image, text: str, amount: float = 1.0) -> Image.Image:
    materials = Materials(photo=None, assets={ASSET: io.BytesIO(text.encode())})  # type: ignore[arg-type]
    return STEP_FUNCTIONS[Lut](image, Lut(asset=ASSET, amount=amount), materials)


def random_picture(mode: str = "RGB") -> Image.Image:
    return Image.frombytes(mode, (80, 60), random.Random(3).randbytes(80 * 60 * len(mode)))


def cube(size: int, change, head: str = "", low: float = 0, high: float = 1) -> str:  # type: ignore[no-untyped-def]
    steps = np.linspace(low, high, size)
    lines = [change(np.array([red, green, blue])) for blue, green, red in product(steps, steps, steps)]
    return f"LUT_3D_SIZE {size}\n{head}\n" + "\n".join(" ".join(f"{value:.9f}" for value in line) for line in lines)


def test_a_lut_is_read_once_for_an_order() -> None:
    file = io.BytesIO(cube(2, lambda colour: 1 - colour).encode())
    materials = Materials(photo=None, assets={ASSET: file})  # type: ignore[arg-type]
    image = random_picture()
    first = STEP_FUNCTIONS[Lut](image, Lut(asset=ASSET), materials)
    file.truncate(0)
    assert STEP_FUNCTIONS[Lut](image, Lut(asset=ASSET), materials).tobytes() == first.tobytes()


def looked_up(colours: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Linear interpolation in floating point, one colour after the other; the table is indexed blue, green, red."""
    places = colours * (len(table) - 1)
    low = np.minimum(np.floor(places).astype(int), len(table) - 2)
    share = places - low
    result = np.zeros(colours.shape)
    for corner in product((0, 1), repeat=3):
        weights = np.prod(np.where(corner, share, 1 - share), axis=-1, keepdims=True)
        red, green, blue = np.moveaxis(low + np.array(corner), -1, 0)
        result += weights * table[blue, green, red]
    return result


def test_there_are_ten_looks_and_each_differs_from_the_others() -> None:
    assert LOOKS.keys() == set(get_args(LookName))
    assert len({with_look(random_picture(), name).tobytes() for name in LOOKS}) == len(LOOKS) == 10


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_is_its_table_with_linear_interpolation(name: LookName) -> None:
    image = random_picture()
    expected = 255 * looked_up(np.asarray(image) / 255, LOOKS[name](grid(33)))
    assert np.abs(np.asarray(with_look(image, name)) - expected).max() <= 0.6
    half = (expected + np.asarray(image)) / 2
    assert np.abs(np.asarray(with_look(image, name, 0.5)) - half).max() <= 0.6


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_keeps_the_order_of_grays_and_alpha(name: LookName) -> None:
    grays = Image.frombytes("L", (256, 1), bytes(range(256))).convert("RGB")
    luma = np.asarray(with_look(grays, name)) @ [0.2126, 0.7152, 0.0722]
    assert np.diff(luma[0]).min() >= -0.5
    assert luma[0, 255] - luma[0, 0] > 150
    clear = random_picture("RGBA")
    assert with_look(clear, name).getchannel("A").tobytes() == clear.getchannel("A").tobytes()


def test_noir_is_gray() -> None:
    red, green, blue = with_look(random_picture(), "noir").split()
    assert red.tobytes() == green.tobytes() == blue.tobytes()


def test_a_3d_lut_may_mix_channels() -> None:
    image = random_picture("RGBA")
    found = with_lut(image, cube(2, lambda rgb: rgb[::-1]))
    assert found.getchannel("R").tobytes() == image.getchannel("B").tobytes()
    assert found.getchannel("G").tobytes() == image.getchannel("G").tobytes()
    assert found.getchannel("A").tobytes() == image.getchannel("A").tobytes()
    assert with_lut(image, cube(2, lambda rgb: rgb[::-1]), amount=0).tobytes() == image.tobytes()


@pytest.mark.parametrize("size", [2, 17, 65])
def test_a_3d_lut_of_any_size_that_changes_nothing(size: int) -> None:
    image = random_picture()
    assert with_lut(image, cube(size, lambda rgb: rgb)).tobytes() == image.tobytes()


def test_the_domain_of_a_3d_lut_counts() -> None:
    """Each entry of the table is the square of its colour. Between entries the table is linear."""
    image = random_picture()
    head = "DOMAIN_MIN -0.5 -0.5 -0.5\nDOMAIN_MAX 1.5 1.5 1.5"
    found = with_lut(image, cube(33, lambda rgb: rgb**2, head, -0.5, 1.5))
    expected = 255 * (np.asarray(image) / 255) ** 2
    assert np.abs(np.asarray(found) - expected).max() <= 1


def test_colours_outside_of_the_domain_get_its_outermost_entries() -> None:
    found = with_lut(
        Image.new("RGB", (2, 2), (0, 128, 255)), cube(2, lambda rgb: rgb, "LUT_3D_INPUT_RANGE 0.25 0.75", 0.25, 0.75)
    )
    assert found.getpixel((0, 0)) == (64, 128, 191)


def test_a_1d_lut_bends_each_channel() -> None:
    text = "LUT_1D_SIZE 3\nDOMAIN_MIN 0 0 0\nDOMAIN_MAX 1 1 0.5\n0 1 0\n0.2 0.5 0.5\n1 0 1"
    image = random_picture("RGBA")
    before = np.asarray(image).astype(float)
    expected = before.copy()
    expected[..., 0] = np.interp(before[..., 0], [0, 127.5, 255], [0, 51, 255])
    expected[..., 1] = 255 - before[..., 1]
    expected[..., 2] = np.minimum(2 * before[..., 2], 255)
    assert np.abs(np.asarray(with_lut(image, text)) - expected).max() <= 0.51
    assert np.abs(np.asarray(with_lut(image, text, 0.3)) - (0.3 * expected + 0.7 * before)).max() <= 0.51


def test_values_beyond_white_and_black_are_cut() -> None:
    text = cube(2, lambda rgb: 1.8 * rgb - 0.4)
    image = random_picture()
    expected = np.clip(255 * (1.8 * np.asarray(image) / 255 - 0.4), 0, 255)
    assert np.abs(np.asarray(with_lut(image, text)) - expected).max() <= 0.6


def test_a_file_that_cannot_be_used_is_reported_with_its_reason() -> None:
    with pytest.raises(UnreadableAsset, match=f"the .cube file {ASSET} cannot be used: the file has no table"):
        with_lut(random_picture(), "LUT_3D_SIZE 2\n")
    with pytest.raises(AssetMissing):
        STEP_FUNCTIONS[Lut](random_picture(), Lut(asset=ASSET), Materials(photo=None))  # type: ignore[arg-type]
