"""Photos of every kind that Darkroom takes."""

from __future__ import annotations

import io
import random
from typing import Any

import pillow_heif
from PIL import Image, ImageCms


def make_photos() -> dict[str, bytes]:
    """Twenty photos: every kind that Darkroom takes, each with another size."""
    chance = random.Random(5)
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    def scene(mode: str = "RGB") -> Image.Image:
        size = (chance.randrange(150, 260), chance.randrange(110, 200))
        noise = Image.frombytes("RGB", (16, 12), chance.randbytes(16 * 12 * 3)).resize(size, Image.Resampling.BICUBIC)
        if mode.endswith("A"):
            noise.putalpha(Image.linear_gradient("L").resize(size))
        return noise.convert(mode)

    def saved(picture: Image.Image, format_: str, **options: Any) -> bytes:
        file = io.BytesIO()
        picture.save(file, format_, **options)
        return file.getvalue()

    def turned(orientation: int) -> Image.Exif:
        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = orientation, "Darkroom"
        return exif

    def heic(picture: Image.Image) -> bytes:
        file = io.BytesIO()
        pillow_heif.from_pillow(picture).save(file, quality=70)
        return file.getvalue()

    def palette() -> Image.Image:
        return scene().quantize(64)

    return {
        "jpeg": saved(scene(), "JPEG"),
        "jpeg, turned by 90": saved(scene(), "JPEG", exif=turned(6)),
        "jpeg, mirrored": saved(scene(), "JPEG", exif=turned(5), quality=95),
        "jpeg, progressive, with a profile": saved(scene(), "JPEG", progressive=True, icc_profile=icc),
        "jpeg, gray": saved(scene("L"), "JPEG"),
        "jpeg, CMYK": saved(scene("CMYK"), "JPEG"),
        "png": saved(scene(), "PNG"),
        "png, with alpha": saved(scene("RGBA"), "PNG", icc_profile=icc),
        "png, gray with alpha": saved(scene("LA"), "PNG"),
        "png, palette": saved(palette(), "PNG", transparency=3),
        "png, 16 bits": saved(scene("L").convert("I;16"), "PNG"),
        "png, black and white": saved(scene("1"), "PNG"),
        "gif": saved(palette(), "GIF"),
        "gif, animated": saved(palette(), "GIF", save_all=True, append_images=[palette()]),
        "webp": saved(scene(), "WEBP", quality=80, exif=turned(3)),
        "webp, lossless with alpha": saved(scene("RGBA"), "WEBP", lossless=True),
        "tiff": saved(scene(), "TIFF", compression="tiff_lzw"),
        "tiff, CMYK": saved(scene("CMYK"), "TIFF"),
        "avif": saved(scene(), "AVIF", quality=70),
        "heic": heic(scene()),
    }
