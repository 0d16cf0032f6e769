"""The sections about the camera and how it was set."""

from __future__ import annotations

from darkroom.photo_metadata.section import MetadataSection, from_tags


class Camera(MetadataSection):
    """The camera, phone or scanner, and the software that wrote the file."""

    make: str | None = from_tags("EXIF 0x010F Make; XMP tiff:Make", "its maker", "Canon")
    model: str | None = from_tags("EXIF 0x0110 Model; XMP tiff:Model", "its model", "Canon EOS 1000D")
    serial_number: str | None = from_tags(
        "EXIF 0xA431 BodySerialNumber; maker notes; XMP aux:SerialNumber", "of the body", "1234567890"
    )
    owner: str | None = from_tags(
        "EXIF 0xA430 CameraOwnerName; maker notes; XMP aux:OwnerName", "its owner, as set in the camera", "Ada"
    )
    software: str | None = from_tags(
        "EXIF 0x0131 Software; XMP xmp:CreatorTool; PNG Software", "what wrote the file", "Adobe Lightroom 7.2"
    )


class Lens(MetadataSection):
    """The lens. Many cameras name it in their maker notes only."""

    make: str | None = from_tags("EXIF 0xA433 LensMake", "its maker", "Apple")
    model: str | None = from_tags(
        "EXIF 0xA434 LensModel; maker notes; XMP exifEX:LensModel, aux:Lens", "its name", "EF-S18-55mm f/3.5-5.6 IS"
    )
    serial_number: str | None = from_tags(
        "EXIF 0xA435 LensSerialNumber; maker notes; XMP aux:LensSerialNumber", "of the lens", "0000123456"
    )
    shortest_focal_length: float | None = from_tags("EXIF 0xA432 LensSpecification; maker notes", "", 18.0, unit="mm")
    longest_focal_length: float | None = from_tags("EXIF 0xA432 LensSpecification; maker notes", "", 55.0, unit="mm")
    f_number_at_shortest: float | None = from_tags(
        "EXIF 0xA432 LensSpecification", "the smallest f-number at the shortest focal length", 3.5, unit="f-number"
    )
    f_number_at_longest: float | None = from_tags(
        "EXIF 0xA432 LensSpecification", "the smallest f-number at the longest focal length", 5.6, unit="f-number"
    )
    source: str | None = from_tags("-", "the tag that `model` was read from", "Exif.CanonCs.LensType")


class Flash(MetadataSection):
    """The flash: the bits of EXIF's number, and the number."""

    value: int = from_tags("EXIF 0x9209 Flash", "the number, 0 to 127", 16, default=...)
    fired: bool = from_tags("EXIF 0x9209 Flash, bit 0", "whether it fired", False, default=...)
    mode: str | None = from_tags("EXIF 0x9209 Flash, bits 3-4", "on, off or auto", "off")
    returned_light: bool | None = from_tags("EXIF 0x9209 Flash, bits 1-2", "whether the camera saw its light", True)
    red_eye_reduction: bool | None = from_tags("EXIF 0x9209 Flash, bit 6", "whether it was on", False)
    present: bool | None = from_tags("EXIF 0x9209 Flash, bit 5", "false if the camera has no flash", True)


class Setting(MetadataSection):
    """A setting of a list: EXIF's number and its meaning."""

    value: int | None = from_tags("-", "the number in the EXIF standard", 5)
    text: str | None = from_tags("-", "its meaning; maker notes may name a mode that EXIF has no number for", "pattern")


class Exposure(MetadataSection):
    """How the camera was set for this photo."""

    time: float | None = from_tags("EXIF 0x829A ExposureTime, or 0x9201 ShutterSpeedValue", "", 0.004, unit="s")
    f_number: float | None = from_tags("EXIF 0x829D FNumber, or 0x9202 ApertureValue", "", 5.6, unit="f-number")
    iso: int | None = from_tags(
        "EXIF 0x8827 PhotographicSensitivity, 0x8833 ISOSpeed, 0x8832, 0x8831; maker notes", "", 200, unit="ISO"
    )
    bias: float | None = from_tags("EXIF 0x9204 ExposureBiasValue", "exposure compensation", -0.333333, unit="EV")
    brightness: float | None = from_tags("EXIF 0x9203 BrightnessValue", "", 7.25, unit="APEX")
    program: Setting | None = from_tags("EXIF 0x8822 ExposureProgram", "", {"value": 2, "text": "program"})
    mode: Setting | None = from_tags("EXIF 0xA402 ExposureMode", "", {"value": 0, "text": "auto"})
    metering: Setting | None = from_tags("EXIF 0x9207 MeteringMode; maker notes", "", {"value": 5, "text": "pattern"})
    white_balance: Setting | None = from_tags("EXIF 0xA403 WhiteBalance; maker notes", "", {"value": 0, "text": "auto"})
    light_source: Setting | None = from_tags("EXIF 0x9208 LightSource", "", {"value": 1, "text": "daylight"})
    scene: Setting | None = from_tags("EXIF 0xA406 SceneCaptureType", "", {"value": 1, "text": "landscape"})
    flash: Flash | None = from_tags("EXIF 0x9209 Flash", "", {"value": 16, "fired": False, "mode": "off"})
    focal_length: float | None = from_tags("EXIF 0x920A FocalLength", "", 50.0, unit="mm")
    focal_length_35mm: float | None = from_tags(
        "EXIF 0xA405 FocalLengthIn35mmFilm; else computed",
        "of a lens with the same angle of view on 36 x 24 mm film",
        80.0,
        unit="mm",
    )
    focal_length_35mm_computed: bool | None = from_tags(
        "EXIF 0xA20E/0xA20F FocalPlaneX/YResolution, 0xA210 unit, 0xA002/0xA003 size",
        "true if Darkroom computed it from the size of the sensor",
        True,
    )
    subject_distance: float | None = from_tags("EXIF 0x9206 SubjectDistance", "", 2.5, unit="m")
    digital_zoom: float | None = from_tags("EXIF 0xA404 DigitalZoomRatio", "", 1.5, unit="times")
