"""worker/photo/result_metadata: what results say, in every format, and the proof of it."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image
from pydantic import ValidationError

from darkroom.errors import PersonalMetadata
from darkroom.jobs.output import Output
from darkroom.jobs.output_formats import OUTPUT_FORMATS
from tests.support.metadata_blocks import (
    exif,
    image_resource,
    iptc,
    jpeg,
    text,
    undefined,
    xmp,
)
from tests.support.personal_photo import AI, PROFILE, canon, photo_with_everything
from tests.support.plain_photo import done
from worker.photo.encode import encode
from worker.photo.metadata.descriptions import description
from worker.photo.metadata.read import read_tags
from worker.photo.result_metadata import proof
from worker.photo.result_metadata.proof import PERSONAL, RIGHTS, check_fields, fields_of
from worker.photo.tiff_tags import IMAGE, INTEROP, PHOTO


@pytest.fixture
def everything(tmp_path, open_file):
    (tmp_path / "everything").write_bytes(photo_with_everything())
    return open_file(tmp_path / "everything")


def written(photo, output, image=None):
    file = io.BytesIO()
    encode(image or photo.image, photo, output, file)
    return file


def said(file, format_):
    file.seek(0)
    return description(read_tags(file, format_))


RIGHTS_IN = {name: set(RIGHTS) for name in OUTPUT_FORMATS} | {"gif": set(RIGHTS) - {"EXIF Copyright"}}
"""Output format -> the rights that its files say. GIF has no place for EXIF, and says the same in XMP."""

WITH_EXIF = [name for name in OUTPUT_FORMATS if name != "gif"]


# --- rights -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OUTPUT_FORMATS)
def test_rights_travel_and_nothing_else_does(everything, name):
    file = written(everything, Output(format=name))
    found = said(file, name)
    assert found.copyright == "(c) Ada"  # EXIF goes first
    assert (found.credit, found.rights_url) == ("Ada / Pictures", "https://example.com/rights?a=1&b=2")
    assert [licensor.url for licensor in found.licensors] == ["https://example.com/buy"]
    assert (found.digital_source.uri, found.digital_source.ai) == (AI, True)
    assert (found.caption, found.bylines, found.people, found.place) == (None, [], [], None)
    assert set(fields_of(file, name)) == RIGHTS_IN[name]
    for secret in (b"Secret", b"ada@example.com", b"Ada L.", b"Maker", b"2024", b"48,12"):
        assert secret not in file.getvalue()


@pytest.mark.parametrize("original", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("name", OUTPUT_FORMATS)
def test_without_rights_a_result_has_no_metadata(quarters, opened, name, original):
    options = {"exif": exif_of(orientation=6), "icc_profile": PROFILE, "comment": b"Secret", "dpi": (300, 300)}
    photo = opened(quarters, original, **options)
    bare = opened(quarters, "PNG")
    assert written(photo, Output(format=name), quarters).getvalue() == written(bare, Output(format=name)).getvalue()
    assert fields_of(written(photo, Output(format=name)), name) == ()


def exif_of(orientation):
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    tags[0x0112] = orientation
    tags.get_ifd(0x8769).update({0x9003: "2024:05:17 12:30:45", 0xA431: "Secret 123"})
    tags.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0), 3: "E", 4: (4.0, 5.0, 6.0)})
    return tags


@pytest.mark.parametrize("name", OUTPUT_FORMATS)
def test_rights_that_only_exif_or_only_iptc_says_travel_too(tmp_path, open_file, name):
    resources = image_resource(0x0404, iptc((116, "Rights of IPTC"), (110, "Credit of IPTC")))
    (tmp_path / "iptc").write_bytes(jpeg(resources=resources))
    found = said(written(open_file(tmp_path / "iptc"), Output(format=name)), name)
    assert (found.copyright, found.credit) == ("Rights of IPTC", "Credit of IPTC")
    (tmp_path / "exif").write_bytes(jpeg(exif_block=exif(image=[text(0x8298, "Photographer\0Editor\0")])))
    found = said(written(open_file(tmp_path / "exif"), Output(format=name)), name)
    assert found.copyright == "Photographer\nEditor"


def test_an_address_that_is_none_does_not_travel(tmp_path, open_file):
    packet = xmp(
        "<xmpRights:WebStatement>ask ada@example.com</xmpRights:WebStatement>"
        "<plus:Licensor><rdf:Seq><rdf:li rdf:parseType='Resource'><plus:LicensorURL>mailto:ada@example.com"
        "</plus:LicensorURL></rdf:li></rdf:Seq></plus:Licensor>"
    )
    (tmp_path / "photo").write_bytes(jpeg(xmp_packet=packet))
    assert fields_of(written(open_file(tmp_path / "photo"), Output(format="jpeg")), "jpeg") == ()


@pytest.mark.parametrize("name", OUTPUT_FORMATS)
def test_none_writes_nothing(everything, opened, name):
    output = Output(format=name, metadata="none")
    bare = opened(everything.image, "PNG")
    assert written(everything, output).getvalue() == written(bare, output, everything.image).getvalue()


@pytest.mark.parametrize("kept", ["rights", "all"])
@pytest.mark.parametrize("name", OUTPUT_FORMATS)
def test_the_texts_of_the_job_replace_those_of_the_photo(everything, name, kept):
    hostile = '</rdf:li> & <x:y z="\'"> ©\nend'
    texts = {"copyright": f"C {hostile}", "credit": f"D {hostile}", "artist": "Žofia; & Co", "caption": f"E {hostile}"}
    found = said(written(everything, Output(format=name, metadata=kept, **texts)), name)
    assert (found.copyright, found.credit, found.caption) == (texts["copyright"], texts["credit"], texts["caption"])
    assert " ".join(found.bylines).startswith("Žofia")
    assert "Secret Ada" not in found.bylines
    assert {conflict.field for conflict in found.conflicts} <= {"bylines"}  # EXIF separates names with semicolons


# --- all --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_EXIF)
def test_all_keeps_what_the_photo_says_but_its_position(everything, name):
    file = written(everything, Output(format=name, metadata="all"))
    tags = read_tags(file, name)
    found = description(tags)
    assert (found.caption, found.bylines, found.people) == ("Secret caption", ["Secret Ada"], ["Secret Bob"])
    assert tags.text(PHOTO, 0xA431) == "Secret 123"
    assert tags.integer(IMAGE, 0x0112) in (1, None)
    assert (tags.integer(PHOTO, 0xA002), tags.integer(PHOTO, 0xA003)) == everything.image.size
    assert not [field for field in fields_of(file, name) if "GPS" in field]
    assert bool(tags.iptc) == (name in ("jpeg", "tiff"))
    assert b"exif:GPS" not in file.getvalue()


@pytest.mark.parametrize("name", WITH_EXIF)
def test_the_position_is_kept_if_the_job_asks_for_it(everything, name):
    fields = fields_of(written(everything, Output(format=name, metadata="all", gps=True)), name)
    assert {"EXIF GPSLatitude", "EXIF GPSLongitude", "XMP exif:GPSLatitude"} <= set(fields)


def test_a_gif_keeps_all_of_the_xmp_and_says_that_it_has_no_exif(everything):
    output = {"format": "gif", "metadata": "all"}
    result, file = done(everything.original, 100_000, type="resize", width=9, output=output)
    assert said(file, "gif").caption == "Secret caption"
    assert {name.partition(" ")[0] for name in result.making.fields} == {"XMP"}
    assert any(warning.detail == "The EXIF is not kept: GIF has no place for it." for warning in result.warnings)


@pytest.mark.parametrize("kept", ["rights", "none"])
def test_the_position_without_all_is_not_kept_and_the_result_says_so(everything, kept):
    output = {"format": "jpeg", "metadata": kept, "gps": True}
    result, _ = done(everything.original, 100_000, type="resize", width=9, output=output)
    assert not [field for field in result.making.fields if "GPS" in field]
    assert [warning.code for warning in result.warnings] == ["metadata_lost"]


def test_none_with_a_text_of_the_job_is_refused():
    with pytest.raises(ValidationError, match='leave out caption, or use "rights"'):
        Output(metadata="none", caption="A caption")
    with pytest.raises(ValidationError, match="control characters"):
        Output(caption="a\0b")
    with pytest.raises(ValidationError, match="must not be empty"):
        Output(artist=" ")


def test_all_keeps_maker_notes_that_can_still_be_read(tmp_path, open_file):
    block = exif(image=[text(0x010F, "Canon"), text(0x0110, "Canon EOS")], photo=[undefined(0x927C, canon())])
    (tmp_path / "photo").write_bytes(jpeg(exif_block=block))
    photo = open_file(tmp_path / "photo")
    notes = read_tags(written(photo, Output(format="webp", metadata="all")), "webp").maker_notes
    assert notes["Canon.SerialNumber"] == "4711"


def test_all_says_nothing_of_parts_that_the_result_does_not_have(tmp_path, open_file):
    packet = xmp(
        "<hdrgm:Version>1.0</hdrgm:Version><GCamera:MotionPhoto>1</GCamera:MotionPhoto>"
        "<tiff:Orientation>6</tiff:Orientation><tiff:ImageWidth>4000</tiff:ImageWidth><xmp:Label>Red</xmp:Label>"
        "<xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType='Resource'><xmpGImg:image>AAAA</xmpGImg:image></rdf:li>"
        "</rdf:Alt></xmp:Thumbnails>",
        {
            "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
            "GCamera": "http://ns.google.com/photos/1.0/camera/",
            "tiff": "http://ns.adobe.com/tiff/1.0/",
            "xmpGImg": "http://ns.adobe.com/xap/1.0/g/img/",
        },
    )
    (tmp_path / "photo").write_bytes(jpeg(exif_block=exif(image=[text(0x010F, "Maker")]), xmp_packet=packet))
    file = written(open_file(tmp_path / "photo"), Output(format="png", metadata="all"))
    found = read_tags(file, "png").xmp
    assert found["xmp.Label"] == "Red"
    assert (found["tiff.Orientation"], found["tiff.ImageWidth"]) == ("1", "8")
    assert not [name for name in found if name.startswith(("hdrgm", "GCamera", "xmp.Thumbnails"))]


def test_a_thumbnail_is_not_kept(tmp_path, open_file):
    small = io.BytesIO()
    Image.new("RGB", (4, 3)).save(small, "JPEG")
    block = bytearray(exif(image=[text(0x010F, "Maker")]))
    place, data = len(block), small.getvalue()
    struct.pack_into("<I", block, 8 + 2 + 12, place)  # where the second directory stands
    block += struct.pack("<H", 3) + struct.pack("<HHII", 0x0103, 3, 1, 6)
    block += struct.pack("<HHII", 0x0201, 4, 1, place + 2 + 36 + 4) + struct.pack("<HHII", 0x0202, 4, 1, len(data))
    block += struct.pack("<I", 0) + data
    (tmp_path / "photo").write_bytes(jpeg(exif_block=bytes(block)))
    photo = open_file(tmp_path / "photo")
    assert "EXIF Thumbnail Compression" in fields_of(io.BytesIO((tmp_path / "photo").read_bytes()), "jpeg")
    fields = fields_of(written(photo, Output(format="jpeg", metadata="all")), "jpeg")
    assert "EXIF Make" in fields
    assert not [field for field in fields if "Thumbnail" in field or "JpegIF" in field]


def test_the_index_of_adobe_rgb_is_not_kept_and_not_missed(tmp_path, open_file):
    """The colours of the result are others."""
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    tags.get_ifd(0x8769)[0xA005] = {1: "R03"}
    Image.new("RGB", (8, 6)).save(tmp_path / "photo", "JPEG", exif=tags)
    with (tmp_path / "photo").open("rb") as original:
        assert read_tags(original, "jpeg").text(INTEROP, 1) == "R03"
        result, file = done(original, 10_000, type="resize", width=4, output={"metadata": "all"})
    assert (result.warnings, read_tags(file, "jpeg").text(INTEROP, 1)) == ((), None)


def test_exif_too_long_for_a_jpeg_loses_its_maker_notes_with_a_warning(tmp_path, open_file):
    tags = exif_of(6)
    tags.get_ifd(0x8769)[0x927C] = b"x" * 70_000
    Image.new("RGB", (8, 6)).save(tmp_path / "photo", "PNG", exif=tags)
    with (tmp_path / "photo").open("rb") as original:
        result, file = done(original, 10_000, type="resize", width=4, output={"format": "jpeg", "metadata": "all"})
    assert [warning.code for warning in result.warnings] == ["metadata_lost"]
    assert read_tags(file, "jpeg").text(IMAGE, 0x010F) == "Maker"


# --- without the package exiv2 ----------------------------------------------------------------------------------------


@pytest.fixture
def without_exiv2(monkeypatch):
    for module in ("blocks", "everything", "rights"):
        monkeypatch.setattr(f"worker.photo.result_metadata.{module}.INSTALLED", False)
    monkeypatch.setattr("worker.photo.encode.tiff_encoder.INSTALLED", False)


@pytest.mark.usefixtures("without_exiv2")
@pytest.mark.parametrize("name", [name for name in WITH_EXIF if name != "tiff"])
def test_without_exiv2_all_keeps_the_standard_tags_and_says_what_is_lost(everything, name):
    output = {"format": name, "metadata": "all", "caption": "A caption"}
    result, file = done(everything.original, 100_000, type="resize", width=9, output=output)
    tags = read_tags(file, name)
    assert (tags.text(PHOTO, 0xA431), tags.text(IMAGE, 0x010E)) == ("Secret 123", "A caption")
    assert (tags.integer(PHOTO, 0xA002), tags.integer(IMAGE, 0x0112) or 1) == (9, 1)
    assert not [field for field in result.making.fields if "GPS" in field or "XMP" in field or "MakerNote" in field]
    assert [warning.code for warning in result.warnings] == ["metadata_lost", "metadata_lost"]


@pytest.mark.usefixtures("without_exiv2")
def test_without_exiv2_a_tiff_keeps_texts_only_and_says_so(everything):
    output = {"format": "tiff", "metadata": "all", "caption": "© A caption"}
    result, file = done(everything.original, 100_000, type="resize", width=9, output=output)
    assert read_tags(file, "tiff").text(IMAGE, 0x010E) == "© A caption"
    assert result.making.fields == ("EXIF Artist", "EXIF Copyright", "EXIF ImageDescription", "EXIF Make")
    assert any("Of the EXIF, a TIFF keeps" in warning.detail for warning in result.warnings)


@pytest.mark.usefixtures("without_exiv2")
def test_without_exiv2_rights_are_written_to_exif_only(everything):
    output = {"format": "jpeg", "credit": "Ada"}
    result, _ = done(everything.original, 100_000, type="resize", width=9, output=output)
    assert result.making.fields == ("EXIF Copyright",)
    assert [warning.code for warning in result.warnings] == ["metadata_lost"]


# --- the proof --------------------------------------------------------------------------------------------------------


def test_a_personal_field_in_a_result_fails_the_job(everything, monkeypatch):
    """As if an encoder wrote more than it was given."""
    leak = Output(format="jpeg", metadata="all", gps=True)
    monkeypatch.setattr(
        "worker.photo.pipeline.encode", lambda image, photo, _output, file, _part: encode(image, photo, leak, file)
    )
    for output in ({"format": "jpeg"}, {"format": "jpeg", "metadata": "none"}, {"format": "jpeg", "metadata": "all"}):
        with pytest.raises(PersonalMetadata, match="would contain the field"):
            done(everything.original, 100_000, type="resize", width=9, output=output)


@pytest.mark.parametrize("name", OUTPUT_FORMATS)
def test_the_result_says_which_fields_it_has(everything, name):
    result, file = done(everything.original, 100_000, type="resize", width=9, output={"format": name})
    assert set(result.making.fields) == RIGHTS_IN[name]
    assert fields_of(file, name) == result.making.fields


@pytest.mark.parametrize(
    "field",
    [
        "EXIF GPSLatitude",
        "EXIF BodySerialNumber",
        "EXIF CameraOwnerName",
        "EXIF MakerNote",
        "EXIF DateTimeOriginal",
        "EXIF Artist",
        "XMP dc:creator",
        "XMP mwg-rs:Regions/mwg-rs:Name",
        "XMP plus:Licensor/plus:LicensorName",
        "IPTC 2:80",
        "JPEG COM",
        "unreadable XMP packet",
        "anything else",
    ],
)
def test_every_other_field_is_refused(field):
    for kept in ("rights", "none"):
        with pytest.raises(PersonalMetadata):
            check_fields((field,), Output(metadata=kept))


def test_a_text_of_the_job_may_leave_only_if_the_job_has_it():
    check_fields(("EXIF Artist", "XMP dc:creator"), Output(artist="Ada"))
    with pytest.raises(PersonalMetadata, match="a person's name"):
        check_fields(("EXIF Artist",), Output(caption="Ada"))


def test_what_rights_writes_is_not_in_a_none_result():
    for field in RIGHTS:
        check_fields((field,), Output())
        with pytest.raises(PersonalMetadata):
            check_fields((field,), Output(metadata="none"))


def test_every_personal_field_has_a_reason():
    assert all(PERSONAL.values())
    assert proof.TECHNICAL.keys().isdisjoint(RIGHTS)


def test_a_photo_with_damaged_metadata_still_has_results(tmp_path, open_file):
    (tmp_path / "photo").write_bytes(jpeg(exif_block=b"II*\0\xff\xff\xff\xff", xmp_packet=b"<x:xmpmeta <<<"))
    photo = open_file(tmp_path / "photo")
    for kept in ("rights", "none", "all"):
        assert fields_of(written(photo, Output(format="jpeg", metadata=kept)), "jpeg") == ()
