"""A photo with metadata of every kind, some of it personal."""

from __future__ import annotations

import struct

from PIL import Image, ImageCms

from tests.support.metadata_blocks import (
    alternatives,
    bag,
    exif,
    image_resource,
    iptc,
    jpeg,
    rationals,
    short,
    text,
    undefined,
    xmp,
)

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

RIGHTS_XMP = (
    alternatives("dc:rights", "© Ada &amp; &lt;Söhne&gt;")
    + "<photoshop:Credit>Ada / Pictures</photoshop:Credit>"
    + "<xmpRights:WebStatement>https://example.com/rights?a=1&amp;b=2</xmpRights:WebStatement>"
    + "<plus:Licensor><rdf:Seq><rdf:li rdf:parseType='Resource'><plus:LicensorName>Ada L.</plus:LicensorName>"
    + "<plus:LicensorURL>https://example.com/buy</plus:LicensorURL>"
    + "<plus:LicensorEmail>ada@example.com</plus:LicensorEmail></rdf:li></rdf:Seq></plus:Licensor>"
    + f"<Iptc4xmpExt:DigitalSourceType>{AI}</Iptc4xmpExt:DigitalSourceType>"
)

PERSONAL_XMP = (
    bag("dc:creator", "Secret Ada", kind="Seq")
    + bag("Iptc4xmpExt:PersonInImage", "Secret Bob")
    + "<exif:GPSLatitude>48,12.5N</exif:GPSLatitude><aux:SerialNumber>Secret 1</aux:SerialNumber>"
    + "<xmp:CreateDate>2024-05-17T12:30:45</xmp:CreateDate><photoshop:City>Secret City</photoshop:City>"
    + alternatives("dc:description", "Secret caption")
)


def canon() -> bytes:
    """Maker notes of a Canon: a directory with the owner's name and a number."""
    owner = b"Secret Owner".ljust(32, b"\0")
    entries = [(0x0009, 2, 32), (0x000C, 4, 1)]
    table = struct.pack("<H", len(entries))
    return table + struct.pack("<HHII", *entries[0], 0x10000) + struct.pack("<HHII", *entries[1], 4711) + owner


def personal_exif() -> bytes:
    return exif(
        image=[
            text(0x010E, "Secret caption"),
            text(0x010F, "Maker"),
            short(0x0112, 6),
            text(0x013B, "Secret Ada"),
            text(0x8298, "(c) Ada"),
        ],
        photo=[
            text(0x9003, "2024:05:17 12:30:45"),
            undefined(0x927C, canon()),
            text(0xA430, "Secret Owner"),
            text(0xA431, "Secret 123"),
            undefined(0x9286, b"ASCII\0\0\0Secret comment"),
        ],
        gps=[
            text(1, "N"),
            rationals(2, (48, 1), (12, 1), (30, 1)),
            text(3, "E"),
            rationals(4, (16, 1), (0, 1), (0, 1)),
        ],
    )


def photo_with_everything() -> bytes:
    resources = image_resource(0x0404, iptc((116, "(c) Ada"), (110, "Ada / Pictures"), (80, "Secret Ada")))
    return jpeg(
        exif_block=personal_exif(),
        xmp_packet=xmp(RIGHTS_XMP + PERSONAL_XMP),
        resources=resources,
        comment=b"Secret comment",
        icc_profile=PROFILE,
        image=Image.linear_gradient("L").convert("RGB").resize((60, 40)),
    )
