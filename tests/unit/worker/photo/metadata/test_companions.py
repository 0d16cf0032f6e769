"""What stands in a file beside its picture: thumbnail, gain map, video, Content Credentials."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from tests.support.metadata_blocks import chunk, described, exif, jpeg, segment, text, xmp

GOOGLE = {
    "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
    "GCamera": "http://ns.google.com/photos/1.0/camera/",
    "Container": "http://ns.google.com/photos/1.0/container/",
    "Item": "http://ns.google.com/photos/1.0/container/item/",
}

VIDEO = b"\0\0\0\x18ftypmp42" + b"\0" * 200


def directory(*items):
    listed = "".join(
        f'<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="{mime}" Item:Semantic="{semantic}" '
        f'Item:Length="{length}"/></rdf:li>'
        for mime, semantic, length in items
    )
    return f"<Container:Directory><rdf:Seq>{listed}</rdf:Seq></Container:Directory>"


def test_a_thumbnail(tmp_path):
    small = io.BytesIO()
    Image.new("RGB", (8, 6)).save(small, "JPEG")
    block = bytearray(exif(image=[text(0x0110, "Camera")]))
    end = 8 + 2 + 12
    block[end : end + 4] = struct.pack("<I", len(block))
    at = len(block) + 2 + 12 * 3 + 4
    block += struct.pack("<H", 3) + struct.pack("<HHIHH", 0x0103, 3, 1, 6, 0)
    block += struct.pack("<HHII", 0x0201, 4, 1, at) + struct.pack("<HHII", 0x0202, 4, 1, len(small.getvalue()))
    block += struct.pack("<I", 0) + small.getvalue()
    found = described(jpeg(exif_block=bytes(block)), tmp_path)
    assert found["thumbnail"] == {"bytes": len(small.getvalue()), "compression": "jpeg"}
    assert described(jpeg(), tmp_path)["thumbnail"] is None


@pytest.mark.parametrize(
    ("photo", "kind"),
    [
        (jpeg(xmp_packet=xmp("<hdrgm:Version>1.0</hdrgm:Version>", GOOGLE)), "adobe"),
        (jpeg(xmp_packet=xmp(directory(("image/jpeg", "GainMap", 5)), GOOGLE)), "adobe"),
        (jpeg(segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0")), "iso"),
        (jpeg(), None),
    ],
)
def test_a_gain_map(tmp_path, photo, kind):
    assert described(photo, tmp_path)["gain_map"] == (kind and {"kind": kind})


@pytest.mark.parametrize(
    "properties",
    [
        "<GCamera:MotionPhoto>1</GCamera:MotionPhoto>" + directory(("video/mp4", "MotionPhoto", len(VIDEO))),
        f"<GCamera:MicroVideo>1</GCamera:MicroVideo><GCamera:MicroVideoOffset>{len(VIDEO)}</GCamera:MicroVideoOffset>",
    ],
)
def test_a_motion_photo(tmp_path, properties):
    photo = jpeg(xmp_packet=xmp(properties, GOOGLE))
    found = described(photo + VIDEO, tmp_path)
    assert found["motion_photo"] == {"offset": len(photo), "bytes": len(VIDEO)}
    assert described(photo, tmp_path)["motion_photo"] is None  # the XMP is there, the video is gone


def test_a_motion_photo_of_samsung(tmp_path):
    photo = jpeg()
    name = b"MotionPhoto_Data"
    entry = struct.pack("<HHI", 0, 0x0A30, len(name)) + name + VIDEO
    listed = b"SEFH" + struct.pack("<II", 106, 1) + struct.pack("<HHII", 0, 0x0A30, len(entry), len(entry))
    trailer = entry + listed + struct.pack("<I", len(listed)) + b"SEFT"
    found = described(photo + trailer, tmp_path)
    assert found["motion_photo"] == {"offset": len(photo) + 8 + len(name), "bytes": len(VIDEO)}


# --- Content Credentials ----------------------------------------------------------------------------------------------


def box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(data), kind) + data


def superbox(label: str, *content: bytes, kind: bytes = b"c2pa") -> bytes:
    described_ = box(b"jumd", kind.ljust(16, b"\0") + b"\x03" + label.encode() + b"\0")
    return box(b"jumb", described_ + b"".join(content))


def cbor_text(value: str) -> bytes:
    data = value.encode()
    return (bytes([0x60 + len(data)]) if len(data) < 24 else b"\x78" + bytes([len(data)])) + data


def manifest(claim: bytes) -> bytes:
    return superbox("c2pa", superbox("urn:uuid:1", superbox("c2pa.claim", box(b"cbor", claim), kind=b"c2cl")))


OLD_CLAIM = b"\xa2" + cbor_text("claim_generator") + cbor_text("Firefly/1.0") + cbor_text("n") + b"\x19\x01\x00"
NEW_CLAIM = (
    b"\xa1" + cbor_text("claim_generator_info") + b"\x81\xa2" + cbor_text("name") + cbor_text("Camera App")
    + cbor_text("version") + cbor_text("2.1")
)  # fmt: skip


@pytest.mark.parametrize(("claim", "generator"), [(OLD_CLAIM, "Firefly/1.0"), (NEW_CLAIM, "Camera App 2.1")])
def test_the_claim_generator_of_content_credentials(tmp_path, claim, generator):
    data = manifest(claim)
    half = len(data) // 2
    parts = [b"JP" + struct.pack(">HI", 7, 1) + data[:half], b"JP" + struct.pack(">HI", 7, 2) + data[:8] + data[half:]]
    found = described(jpeg(*(segment(0xEB, part) for part in parts)), tmp_path)["provenance"]
    assert found == {"c2pa": True, "claim_generator": generator, "bytes": len(data)}


def test_content_credentials_of_a_png(tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (4, 3)).save(file, "PNG")
    data, credentials = file.getvalue(), manifest(OLD_CLAIM)
    at = data.index(b"IDAT") - 4
    found = described(data[:at] + chunk(b"caBX", credentials) + data[at:], tmp_path)["provenance"]
    assert found["claim_generator"] == "Firefly/1.0"


@pytest.mark.parametrize("claim", [b"", b"\xa1", b"\x9f" * 100, b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", b"\x81" * 500])
def test_a_damaged_claim_is_listed(tmp_path, claim):
    data = manifest(claim)
    found = described(jpeg(segment(0xEB, b"JP" + struct.pack(">HI", 7, 1) + data)), tmp_path)
    assert found["provenance"] == {"c2pa": True, "bytes": len(data)}
    assert ("C2PA", "claim") in {(entry["where"], entry["tag"]) for entry in found["unreadable"]}
