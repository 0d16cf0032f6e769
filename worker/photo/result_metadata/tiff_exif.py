"""Put EXIF with its sub-directories and maker notes into a TIFF that is written already."""

from __future__ import annotations

from worker.photo.metadata.exiv2_reader import INSTALLED

if INSTALLED:
    import exiv2


def with_exif(tiff: bytes, block: bytes) -> bytes:
    """A TIFF with the tags of this block, a TIFF structure. Its pixels and the tags that describe them stay.

    Exiv2 does it, because it knows which tags describe pixels and where in maker notes offsets stand. Pillow writes
    texts anew in ASCII. Raises ValueError if Exiv2 cannot do it. It has to be installed.
    """
    try:
        source = exiv2.ImageFactory.open(block)
        source.readMetadata()
        target = exiv2.ImageFactory.open(tiff)
        target.readMetadata()
        target.setExifData(source.exifData())
        target.writeMetadata()
        return bytes(target.io().data())
    except (exiv2.Exiv2Error, OverflowError) as error:
        raise ValueError("Exiv2 cannot write the EXIF") from error
