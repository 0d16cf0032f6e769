"""A photo's record as an item: what its writes cost, and what the sweep's index holds."""

from __future__ import annotations

import hashlib
import math
import random
import zlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from darkroom.aws.items import item_of, note_written, photo_of, text_in
from darkroom.aws.packing import DICTIONARY, pack, unpack
from darkroom.errors import FutureRecord
from darkroom.jobs.job_types import jobs_adapter
from darkroom.making import MAX_FIELD, MAX_STEP, MAX_STEPS, MAX_TRIES, EncodingTry, Making, bounded, is_allowed
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.keys import original_key, result_key
from darkroom.record.order import Claim
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original, Result
from tests.support.records import LIMIT, MAX_ATTEMPTS, RESEND, only_order, photo

CHECKSUM = 0x96AD8BA7

WEB = [
    {"name": "thumbnail", "type": "resize", "width": 200, "height": 200, "fit": "cover"},
    {"name": "small", "type": "resize", "width": 800, "without_enlargement": True},
    {"name": "large", "type": "resize", "width": 1600, "without_enlargement": True},
    {"name": "metadata", "type": "metadata"},
]


def uploaded() -> PhotoRecord:
    """A record as the API writes it for a photo of a phone with the preset `web`."""
    photo_id = new_id()
    original = Original(
        key=original_key(photo_id),
        filename="IMG_20250101_123456.jpg",
        content_type="image/jpeg",
        size=3_312_345,
        sha256=hashlib.sha256(photo_id.encode()).hexdigest(),
        width=4032,
        height=3024,
    )
    record = PhotoRecord(id=photo_id, owner="some-owner", created_at=now(), original=original)
    record.add_order(jobs_adapter.validate_python(WEB), RESEND, trace=new_id()).await_original(40)
    return record


PHONE = """{
  "format": "jpeg",
  "content_type": "image/jpeg",
  "width": 4032,
  "height": 3024,
  "orientation": 6,
  "mode": "RGB",
  "has_alpha": false,
  "frames": 1,
  "bytes": 3312345,
  "icc": "Display P3",
  "taken_at": "2025-01-01T12:34:56.789000+01:00",
  "gps": {
    "latitude": 48.8925,
    "longitude": 2.2363889,
    "altitude": 61.4,
    "direction": 211.5,
    "timestamp": "2025-01-01T11:34:56+00:00"
  },
  "exif": {
    "Make": "SomeMaker",
    "Model": "Some Phone 12 Pro",
    "Software": "S908BXXU2AVF1",
    "Orientation": 6,
    "DateTime": "2025:01:01 12:34:56",
    "XResolution": 72.0,
    "YResolution": 72.0,
    "ResolutionUnit": 2,
    "ExifVersion": "0232",
    "ShutterSpeedValue": 6.9,
    "ApertureValue": 1.53,
    "DateTimeOriginal": "2025:01:01 12:34:56",
    "DateTimeDigitized": "2025:01:01 12:34:56",
    "OffsetTime": "+01:00",
    "OffsetTimeOriginal": "+01:00",
    "BrightnessValue": 3.41,
    "ExposureBiasValue": 0.0,
    "MaxApertureValue": 1.53,
    "MeteringMode": 3,
    "Flash": 0,
    "FocalLength": 4.2,
    "ColorSpace": 65535,
    "ExifImageWidth": 4032,
    "ExifImageHeight": 3024,
    "SceneCaptureType": 0,
    "SubsecTimeOriginal": "789",
    "ExposureTime": 0.0083,
    "FNumber": 1.7,
    "ExposureProgram": 2,
    "ISOSpeedRatings": 64,
    "ExposureMode": 0,
    "WhiteBalance": 0,
    "FocalLengthIn35mmFilm": 26,
    "LensModel": "Some Phone 12 Pro back triple camera 4.2mm f/1.7"
  },
  "dominant_colours": [
    {"colour": "#09060a", "share": 0.3038},
    {"colour": "#716157", "share": 0.2789},
    {"colour": "#4f423d", "share": 0.2749},
    {"colour": "#2b231d", "share": 0.1013},
    {"colour": "#c7bd9e", "share": 0.0411}
  ]
}
"""
"""The metadata of a photo of a phone."""


PICTURE_MAKING = Making(
    plan=(
        "decode at 1/2 2016x1512",
        "resize (lanczos3) 1600x1200",
        "turn (orientation 6) 1200x1600",
        "convert to sRGB 1200x1600",
        "encode jpeg 1200x1600",
    ),
    backends={
        "decode": "libjpeg-turbo 3.1.2",
        "resize": "cykooz-resizer 4.0.1",
        "colours": "littlecms2 2.17",
        "encode": "libjpeg-turbo 3.1.2",
    },
    pixels="0123456789abcdef",
)
METADATA_MAKING = Making(plan=("metadata 3024x4032",), backends={"metadata": "exiv2 0.19.2"})


def results(record: PhotoRecord, claim: Claim) -> dict[str, Result]:
    """Three pictures in the bucket, and metadata in the record."""
    made = {}
    for number, (job_id, spec) in enumerate(claim.jobs.items()):
        place: dict[str, Any] = {"content": PHONE}
        if spec.type != "metadata":
            key = result_key(record.id, job_id, claim.fence, "jpg")
            place = {"key": key, "width": 1600, "height": 1200}
        made[job_id] = Result(
            **place,
            filename=f"IMG_20250101_123456-{spec.type}.jpg",
            content_type="image/jpeg",
            size=123_456 + number,
            sha256=hashlib.sha256(job_id.encode()).hexdigest(),
            seconds={"decode": 0.0912, "resize": 0.0487, "encode": 0.0231, "store": 0.0344},
            versions={"darkroom": "0.1.0", "pillow": "13.0.0", "cykooz-resizer": "4.0.1"},
            making=METADATA_MAKING if spec.type == "metadata" else PICTURE_MAKING,
            company=tuple(claim.jobs),
        )
    return made


def written(record: PhotoRecord) -> dict[str, Any]:
    """The item after a write of the record."""
    item = item_of(record) | {"version": record.version + 1, "write_id": new_id()}
    note_written(record, item)
    return item


def size(item: Mapping[str, Any]) -> int:
    """Bytes of an item without maps and lists (Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats")."""
    return sum(len(name) + _size(value) for name, value in item.items())


def _size(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value.encode() if isinstance(value, str) else value)
    assert isinstance(value, int | Decimal)
    return math.ceil(len(str(value)) / 2) + 1


def claimed(record: PhotoRecord) -> Claim:
    return record.claim(only_order(record).id, MAX_ATTEMPTS, LIMIT, RESEND, new_id())


def test_the_writes_of_a_photo_are_few_and_small():
    record = uploaded()
    created = written(record)
    claim = claimed(record)
    begun = written(record)
    record.publish(claim, results(record, claim), last=True)
    published = written(record)
    # DynamoDB bills each KB of a write, and each change of an entry in an index.
    assert [math.ceil(size(item) / 1024) for item in (created, begun, published)] == [1, 1, 2]
    assert created["due_at"] == begun["due_at"]
    assert "due_at" not in published
    assert len({item["photo_list"] for item in (created, begun, published)}) == 1


def test_the_longest_receipts_of_50_jobs_fit_into_an_item():
    """Texts that hardly become shorter by compression."""
    chance = random.Random(5)

    def text(length: int) -> str:
        return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789 ", k=length))

    caption = {"caption": text(1000), "copyright": text(200), "credit": text(100), "artist": text(100)}
    record = photo(*[{"type": "resize", "width": 100 + at, "output": caption} for at in range(50)])
    claim = claimed(record)
    made = results(record, claim)
    for job_id, result in made.items():
        making = Making(
            plan=tuple(text(MAX_STEP) for _ in range(MAX_STEPS)),
            backends={"decode": text(60), "encode": text(60)},
            fields=tuple(text(MAX_FIELD) for _ in range(200)),
            pixels="0123456789abcdef",
            tries=tuple(
                EncodingTry("avif", chance.randrange(1, 101), None, chance.randrange(10**9), round(chance.random(), 5))
                for _ in range(2 * MAX_TRIES)
            ),
        )
        assert is_allowed(bounded(making))
        made[job_id] = result.model_copy(update={"making": bounded(making)})
    record.publish(claim, made, last=True)
    assert size(written(record)) < 400 * 1024


def test_a_record_reads_as_it_was_written():
    record = uploaded()
    record.metadata = {"shot": 7, "ratio": 1.5, "tiny": 5e-324, "large": -1e37, "good": True, "note": "", "none": None}
    claim = claimed(record)
    record.publish(claim, results(record, claim), last=True)
    assert photo_of(written(record)) == record


def test_specs_are_stored_with_their_defaults_and_nothing_else_is():
    record = PhotoRecord.model_validate_json(unpack(item_of(uploaded())["record"]))
    assert b'"kernel":"lanczos3"' in unpack(item_of(record)["record"])
    assert b'"status"' not in unpack(item_of(record)["record"])


def packed_with(dictionary: bytes) -> bytes:
    """A record as a release with another dictionary would pack it."""
    compressor = zlib.compressobj(zdict=dictionary)
    return compressor.compress(text_in(item_of(uploaded()))) + compressor.flush()


def test_the_dictionary_is_the_one_of_the_records_that_exist():
    """A release that changes it has to read records of the old one too (`DICTIONARY`)."""
    assert zlib.adler32(DICTIONARY) == CHECKSUM
    assert pack(b"{}")[2:6] == CHECKSUM.to_bytes(4, "big")


def test_the_dictionary_makes_a_record_a_quarter_smaller_at_least():
    record = uploaded()
    claim = claimed(record)
    record.publish(claim, results(record, claim), last=True)
    packed = item_of(record)["record"]
    assert len(packed) < 0.75 * len(zlib.compress(unpack(packed)))


@pytest.mark.parametrize(
    "packed",
    [
        pack(b'{"colour":"blue"}'),
        pack(b"no JSON"),
        b"not zlib",
        pack(b'{"id":"5"}')[:-5],
        packed_with(DICTIONARY + b"more"),
        {"id": "a map"},
    ],
    ids=["field", "text", "compression", "end", "dictionary", "type"],
)
def test_a_record_of_a_newer_release_is_refused(packed: Any) -> None:
    with pytest.raises(FutureRecord, match="written by a newer release"):
        photo_of(written(photo()) | {"record": packed})
