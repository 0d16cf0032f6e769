"""A file becomes pixels. Read photo_file.py first.

`loading.py` loads them, with repairs where Pillow fails. `recovery.py` finds out what a photo holds that is cut short.
`deep_pixels.py` reads those of more than 8 bits, `jxl_pixels.py` those of JPEG XL, and `gain_maps.py` finds gain maps.
`corrections.py` is what Pillow reads differently than the formats say.
"""

from worker.photo.decode.photo_file import PhotoFacts, PhotoFile, turned

__all__ = ["PhotoFacts", "PhotoFile", "turned"]
