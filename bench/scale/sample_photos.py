"""Photos made in code: soft colours with fine grain. They are about as large, and as slow to decode, as a phone's."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image

SIZES = {"2 MP": (1600, 1200), "12 MP": (4032, 3024), "24 MP": (6000, 4000), "48 MP": (8064, 6048)}

TILE = 512


def make_photo(path: Path, size: tuple[int, int], seed: int) -> Path:
    chance = random.Random(seed)
    colours = Image.frombytes("RGB", (32, 24), chance.randbytes(32 * 24 * 3)).resize(size, Image.Resampling.BICUBIC)
    grain = Image.new("RGB", size)
    tile = Image.frombytes("RGB", (TILE, TILE), chance.randbytes(TILE * TILE * 3))
    for left in range(0, size[0], TILE):
        for top in range(0, size[1], TILE):
            grain.paste(tile, (left, top))
    Image.blend(colours, grain, 0.12).save(path, "JPEG", quality=90)
    return path
