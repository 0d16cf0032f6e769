"""A JPEG XL whose header is read, for Pillow. The child alone decodes it: worker/photo/decode/jxl_pixels.py."""

from __future__ import annotations

from PIL import ImageFile

from darkroom.containers.jxl import exif_block, read_header
from darkroom.errors import UnsupportedPhoto


class JxlPhoto(ImageFile.ImageFile):
    """Size, mode and EXIF. It has no tiles, so that Pillow loads no pixels. Raises ValueError for a damaged header."""

    format = "JXL"

    def _open(self) -> None:
        header = read_header(self.fp)  # type: ignore[arg-type]
        if header.animated:
            raise UnsupportedPhoto("This is an animated JPEG XL; only still ones are read.")
        self._size = header.width, header.height
        self._mode = ("L" if header.gray else "RGB") + "A" * header.alpha
        self.info["original_orientation"] = header.orientation
        if block := exif_block(self.fp):  # type: ignore[arg-type]
            self.info["exif"] = block
