"""Which colours the pixels of a photo have, as its header says it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from PIL import ImageCms

from darkroom.containers.colour_numbers import PQ, ColourNumbers
from darkroom.photo_warnings import PhotoWarning
from worker.photo.colour.conversion import describes, is_srgb
from worker.photo.colour.deep_levels import HdrCurve
from worker.photo.colour.icc_profiles import profile_of, profile_of_numbers

PRESS_PROFILE = profile_of(files(__package__).joinpath("press.icc").read_bytes())
"""What CMYK means that has no profile: coated paper in offset printing. press-licence.txt says where it comes from."""

assert PRESS_PROFILE is not None


@dataclass(frozen=True)
class PhotoColours:
    """`profile`: what to convert from; None for sRGB. `curve`: what to tone-map first; None for SDR."""

    profile: ImageCms.ImageCmsProfile | None
    curve: HdrCurve | None
    warnings: tuple[PhotoWarning, ...]


def photo_colours(icc: object, numbers: ColourNumbers, mode: str) -> PhotoColours:
    """The colours of a photo with this embedded profile and these numbers, whose pixels Pillow stores in `mode`."""
    embedded, srgb = (None, False) if mode == "LAB" else _embedded(icc, mode)
    warnings: list[PhotoWarning] = []
    if icc and mode != "LAB" and embedded is None:
        detail = "The colour profile of the photo is damaged, or is for another kind of pixels. It was ignored."
        warnings.append(PhotoWarning("profile_ignored", detail))
    if mode == "CMYK" and embedded is None:
        detail = "The CMYK photo has no colour profile. It was converted as ink of offset printing on coated paper."
        warnings.append(PhotoWarning("assumed_cmyk_profile", detail))
        return PhotoColours(PRESS_PROFILE, None, tuple(warnings))
    if mode in {"CMYK", "LAB"} or (embedded and not numbers.before_icc):
        return PhotoColours(None if srgb else embedded, None, tuple(warnings))
    curve = None
    if numbers.cicp and numbers.cicp.is_hdr:
        curve = HdrCurve(numbers.cicp.transfer, numbers.peak)
        name = "PQ" if curve.transfer == PQ else "HLG"
        warnings.append(PhotoWarning("tone_mapped", f"The photo is HDR ({name}). Its light was mapped to that of SDR."))
    return PhotoColours(profile_of_numbers(numbers), curve, tuple(warnings))


def _embedded(icc: object, mode: str) -> tuple[ImageCms.ImageCmsProfile | None, bool]:
    """The embedded profile, and whether it is sRGB. None if there is none, or none that can be used."""
    profile = profile_of(icc)
    if profile is None or not describes(profile, mode):
        return None, False
    try:
        return profile, is_srgb(profile)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None, False
