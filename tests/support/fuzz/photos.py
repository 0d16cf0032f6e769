"""Small sound photos to damage: each way in which pixels are stored, and each block of metadata beside them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pillow_heif
from PIL import Image, ImageCms, PngImagePlugin

LARGEST_FILE = 300_000
"""Bytes of a file from a folder. Larger files are left out: each damaged copy of them would take long."""

XMP = b"""<?xpacket begin='\xef\xbb\xbf' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
<rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:xmp='http://ns.adobe.com/xap/1.0/'
 xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/' xmp:Rating='4' hdrgm:Version='1.0' hdrgm:GainMapMax='2.5'>
<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>A title</rdf:li></rdf:Alt></dc:title>
<dc:subject><rdf:Bag><rdf:li>one</rdf:li><rdf:li>two</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"""

SIZE = (96, 64)


def picture(mode: str = "RGB") -> Image.Image:
    return Image.effect_mandelbrot(SIZE, (-2, -1, 1, 1), 30).convert("RGB").convert(mode)


def encoded(image: Image.Image, format_: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, format_, **options)
    return data.getvalue()


def sound_photos() -> dict[str, bytes]:
    """Kind -> file."""
    pillow_heif.register_heif_opener()
    return {**_jpegs(), **_pngs(), **_tiffs(), **_others()}


def photos_of(folder: Path) -> dict[str, bytes]:
    """The files of a folder that are small enough to be damaged by the thousand. Name -> file."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {file.name: file.read_bytes() for file in files if 0 < file.stat().st_size <= LARGEST_FILE}


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif.update({0x010E: "a picture", 0x010F: "Maker", 0x0110: "Model", 0x0112: 6, 0x0132: "2026:01:31 12:00:00"})
    exif.update({0x011A: 72.0, 0x011B: 72.0, 0x0128: 2, 0x8298: "photographer\0editor"})
    exif.get_ifd(0x8769).update(
        {
            0x829A: 0.01,
            0x829D: 2.8,
            0x8827: 200,
            0x9003: "2026:01:31 12:00:00",
            0x9010: "+01:00",
            0x9291: "123",
            0x9209: 16,
            0x920A: 50.0,
            0x927C: b"Maker\0" + bytes(range(64)),
            0x9286: b"ASCII\0\0\0hello",
            0xA432: (24.0, 70.0, 2.8, 4.0),
            0xA434: "Lens",
        }
    )
    exif.get_ifd(0x8825).update(
        {1: "N", 2: (48.0, 51.0, 29.6), 3: "E", 4: (2.0, 17.0, 40.2), 5: b"\0", 6: 35.0, 7: (11.0, 0.0, 1.0)}
    )
    exif.get_ifd(0x8825)[29] = "2026:01:31"
    return exif


def _icc() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _iptc() -> bytes:
    """A Photoshop resource block with IPTC-IIM (APP13 of a JPEG)."""
    records = b"".join(
        struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text
        for number, text in ((5, b"Title"), (25, b"keyword"), (55, b"20260131"), (80, b"By"), (120, b"Caption"))
    )
    return b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(records)) + records + b"\0" * (len(records) % 2)


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _jpegs() -> dict[str, bytes]:
    more: dict[str, Any] = {"exif": _exif(), "icc_profile": _icc()}
    full = encoded(picture(), "JPEG", comment=b"a comment", xmp=XMP, **more)
    extra = _segment(0xED, _iptc()) + _segment(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb" + bytes(24))
    halves = [picture(), picture().rotate(90)]
    return {
        "jpeg": full[:2] + extra + full[2:],
        "jpeg, plain": encoded(picture(), "JPEG", subsampling="4:4:4"),
        "jpeg, progressive": encoded(picture(), "JPEG", progressive=True, **more),
        "jpeg, restarts": encoded(picture(), "JPEG", restart_marker_blocks=2),
        "jpeg, CMYK": encoded(picture("CMYK"), "JPEG"),
        "jpeg, gray": encoded(picture("L"), "JPEG", exif=_exif()),
        "jpeg, two pictures": encoded(halves[0], "MPO", save_all=True, append_images=halves[1:], exif=_exif()),
    }


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _pngs() -> dict[str, bytes]:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "a title")
    texts.add_text("Comment", "a comment " * 40, zip=True)
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    full = encoded(picture("RGBA"), "PNG", exif=_exif(), icc_profile=_icc(), pnginfo=texts, dpi=(72, 72))
    colours = _chunk(b"gAMA", struct.pack(">I", 45455)) + _chunk(b"cHRM", struct.pack(">8I", *[31270] * 8))
    colours += _chunk(b"cICP", bytes([9, 16, 0, 1])) + _chunk(b"sBIT", bytes([8, 8, 8])) + _chunk(b"tIME", bytes(7))
    plain = encoded(picture(), "PNG")
    behind = 8 + 25  # the signature and IHDR
    frames = [picture("RGBA"), picture("RGBA").rotate(90)]
    return {
        "png": full,
        "png, colours by numbers": plain[:behind] + colours + plain[behind:],
        "png, palette": encoded(picture("P"), "PNG", transparency=3),
        "png, 16 bits": encoded(Image.effect_noise((64, 64), 80).convert("I;16"), "PNG"),
        "png, gray with alpha": encoded(picture("LA"), "PNG"),
        "png, black and white": encoded(picture("1"), "PNG"),
        "png, animated": encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]),
    }


def _tiffs() -> dict[str, bytes]:
    frames = [picture(), picture().rotate(90)]
    return {
        "tiff": encoded(picture(), "TIFF", exif=_exif(), icc_profile=_icc(), tiffinfo={700: XMP, 33723: _iptc()[26:]}),
        "tiff, LZW": encoded(picture("RGBA"), "TIFF", compression="tiff_lzw"),
        "tiff, JPEG": encoded(picture(), "TIFF", compression="jpeg"),
        "tiff, deflate": encoded(picture("P"), "TIFF", compression="tiff_adobe_deflate"),
        "tiff, PackBits": encoded(picture("L"), "TIFF", compression="packbits"),
        "tiff, fax": encoded(picture("1"), "TIFF", compression="group4"),
        "tiff, CMYK": encoded(picture("CMYK"), "TIFF"),
        "tiff, LAB": encoded(_lab(), "TIFF"),
        "tiff, floats": encoded(picture("L").convert("F"), "TIFF"),
        "tiff, 16 bits": encoded(picture("L").convert("I;16"), "TIFF", compression="tiff_deflate"),
        "tiff, BigTIFF": encoded(picture(), "TIFF", big_tiff=True),
        "tiff, pages": encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]),
    }


def _lab() -> Image.Image:
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    image = ImageCms.applyTransform(picture(), to_lab)
    assert image is not None
    return image


def _others() -> dict[str, bytes]:
    more: dict[str, Any] = {"exif": _exif(), "icc_profile": _icc(), "xmp": XMP}
    frames = [picture("P"), picture("P").rotate(90)]
    colours = [picture(), picture().rotate(90)]
    return {
        "gif": encoded(frames[0], "GIF", comment=b"a comment", interlace=1),
        "gif, animated": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], transparency=0),
        "webp": encoded(picture("RGBA"), "WEBP", **more),
        "webp, lossless": encoded(picture(), "WEBP", lossless=True),
        "webp, animated": encoded(colours[0], "WEBP", save_all=True, append_images=colours[1:]),
        "avif": encoded(picture("RGBA"), "AVIF", **more),
        "avif, 4:4:4": encoded(picture(), "AVIF", subsampling="4:4:4"),
        "avif, animated": encoded(colours[0], "AVIF", save_all=True, append_images=colours[1:]),
        "heic": encoded(picture(), "HEIF", **more),
        "heic, alpha": encoded(picture("RGBA"), "HEIF"),
        "heic, several": encoded(colours[0], "HEIF", save_all=True, append_images=colours[1:]),
    }
