"""Change the size of an image, with sharp's meaning of every word.

The arithmetic was checked against sharp's own (src/common.cc ResolveShrink, src/pipeline.cc): which side leads, what
`without_enlargement` limits, and how sizes round. One deed differs: `cover` reads only the part that stays, where
sharp resizes all and then cuts, so no large picture in between is made.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageColor

from darkroom.errors import TooManyPixels
from darkroom.jobs.specs import FocalPoint, Resize
from worker.photo.crop import STRATEGIES

Size = tuple[int, int]

KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "linear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "cubic": Image.Resampling.BICUBIC,
    "lanczos3": Image.Resampling.LANCZOS,
}

GRAVITY = {
    "northwest": (0.0, 0.0),
    "north": (0.5, 0.0),
    "northeast": (1.0, 0.0),
    "west": (0.0, 0.5),
    "centre": (0.5, 0.5),
    "east": (1.0, 0.5),
    "southwest": (0.0, 1.0),
    "south": (0.5, 1.0),
    "southeast": (1.0, 1.0),
}
"""Position -> share of the free space that lies left of and above the picture."""

REDUCING_GAP = 2.0
"""A picture made many times smaller is first averaged by whole factors, down to at least 2 times the wanted size.
Measured on photos of 12 and 16 megapixels and one core: 800 pixels wide takes 40 to 50 ms instead of 110 to 120, and
differs from the slow way by 0.2 to 0.3 of 255 levels on average, 5 at most; at 150 pixels by up to 0.7, and 10. A gap
of 3 does nothing for those 800 pixels."""


@dataclass(frozen=True)
class Plan:
    """Sizes in pixels: of the whole photo once scaled, and of the result, cut from it or laid around it."""

    scaled: Size
    result: Size


def plan(size: Size, spec: Resize) -> Plan:
    """What the sizes will be for a photo of `size` (width, height)."""
    width, height = size
    across = width / spec.width if spec.width else None  # how many times smaller each side is asked to be
    down = height / spec.height if spec.height else None
    if spec.fit == "fill":
        across, down = across or 1.0, down or 1.0  # the side not given stays as it is
    elif across and down:
        across = down = min(across, down) if spec.fit in {"cover", "outside"} else max(across, down)
    else:
        across = down = across or down or 1.0
    if spec.without_enlargement:
        across, down = max(1.0, across), max(1.0, down)
    scaled = _rounded(width / across), _rounded(height / down)
    wanted = spec.width or scaled[0], spec.height or scaled[1]
    if spec.fit == "cover":
        return Plan(scaled, (min(scaled[0], wanted[0]), min(scaled[1], wanted[1])))
    if spec.fit == "contain":
        return Plan(scaled, (max(scaled[0], wanted[0]), max(scaled[1], wanted[1])))
    return Plan(scaled, scaled)


def resize(image: Image.Image, spec: Resize, max_pixels: int) -> Image.Image:
    """The image in its new size; RGB stays RGB unless `contain` pads with a background that is not opaque.

    Raises TooManyPixels when the result would have more than `max_pixels`.
    """
    sizes = plan(image.size, spec)
    width, height = sizes.result
    if width * height > max_pixels:
        raise TooManyPixels(
            f"The result would have {width * height:,} pixels ({width} x {height}); at most {max_pixels:,} are made."
        )
    if spec.fit == "cover":
        return _scaled(image, sizes.result, spec, _kept(image, sizes, spec))
    scaled = _scaled(image, sizes.scaled, spec, (0, 0, image.width, image.height))
    return _padded(scaled, sizes.result, spec) if spec.fit == "contain" else scaled


def _rounded(side: float) -> int:
    """Half up, as libvips does, and never to nothing."""
    return max(1, int(side + 0.5))


def _scaled(image: Image.Image, size: Size, spec: Resize, box: tuple[float, float, float, float]) -> Image.Image:
    """Resample `box` of the image to `size`. Pillow weighs the colours of RGBA by their alpha on the way."""
    return image.resize(size, KERNELS[spec.kernel], box=box, reducing_gap=REDUCING_GAP)


def _kept(image: Image.Image, sizes: Plan, spec: Resize) -> tuple[float, float, float, float]:
    """The part of the unscaled image that `cover` keeps: left, top, right, bottom in its pixels."""
    left, top = _corner(image, sizes, spec)
    across, down = image.width / sizes.scaled[0], image.height / sizes.scaled[1]
    right, bottom = left + sizes.result[0], top + sizes.result[1]
    return left * across, top * down, min(right * across, image.width), min(bottom * down, image.height)


def _corner(image: Image.Image, sizes: Plan, spec: Resize) -> tuple[int, int]:
    """Where the kept part begins in the scaled photo, left and top in pixels."""
    free = sizes.scaled[0] - sizes.result[0], sizes.scaled[1] - sizes.result[1]
    if isinstance(spec.position, FocalPoint):
        point = spec.position.x * sizes.scaled[0], spec.position.y * sizes.scaled[1]
        return _clamped(point[0] - sizes.result[0] / 2, free[0]), _clamped(point[1] - sizes.result[1] / 2, free[1])
    if spec.position in STRATEGIES:
        share = STRATEGIES[spec.position](image, sizes.result[0] / sizes.scaled[0], sizes.result[1] / sizes.scaled[1])
        return _clamped(share[0] * free[0], free[0]), _clamped(share[1] * free[1], free[1])
    gravity = GRAVITY[spec.position]
    return _rounded_share(gravity[0], free[0]), _rounded_share(gravity[1], free[1])


def _clamped(offset: float, free: int) -> int:
    return max(0, min(free, round(offset)))


def _rounded_share(share: float, free: int) -> int:
    """When an odd pixel is left over, cutting in the middle takes it from the left and top, as in sharp."""
    return (free + 1) // 2 if share == 0.5 else int(share * free)


def _padded(image: Image.Image, size: Size, spec: Resize) -> Image.Image:
    """Lay the image on the background. Its own transparent parts stay transparent, as in sharp."""
    background = ImageColor.getrgb(spec.background)
    if image.mode == "RGB" and len(background) == 4:
        image = image.convert("RGBA")
    free = size[0] - image.width, size[1] - image.height
    if isinstance(spec.position, FocalPoint):
        shares = spec.position.x, spec.position.y
    else:
        shares = GRAVITY.get(spec.position, GRAVITY["centre"])  # entropy and attention choose what to cut; nothing is
    canvas = Image.new(image.mode, size, background)
    canvas.paste(image, (int(shares[0] * free[0]), int(shares[1] * free[1])))
    return canvas
