"""Warnings of a result: what was repaired, ignored or lost on the way from the photo to it.

A warning is a code for programs and a sentence for people. The sentence is ours: no text of a library or of the photo
gets into it, except names in printable ASCII.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAX_WARNINGS = 20
"""Warnings of one result."""

MAX_DETAIL = 300
"""Bytes of one sentence."""

MAX_TEXT = 1500
"""Bytes of all sentences of one result: a record of 400 KB and an event hold the results of 50 jobs."""

WARNING_CODES: Mapping[str, str] = {
    "truncated": "The photo is cut short. What is missing is transparent, or has the background colour.",
    "frames_missing": "The animation is damaged or cut short. The result has the frames before the damage.",
    "end_missing": "The end of the file is missing or damaged. All pixels are there.",
    "ancillary_damage": "A part of the file that the picture does not need is damaged, and was ignored.",
    "invalid_transparency": "The file says which pixels are transparent in a way that its format does not allow. "
    "They are opaque.",
    "partial_frame": "The first frame does not cover the whole picture. The rest is transparent.",
    "profile_ignored": "The colour profile cannot be used. The colours count as sRGB.",
    "assumed_cmyk_profile": "The photo is CMYK without a colour profile. A profile of offset printing was used.",
    "tone_mapped": "The photo is HDR. Its light was mapped to the range of SDR.",
    "gain_map_lost": "The photo has a gain map for HDR screens. The result shows its SDR picture only.",
    "metadata_damaged": "A part of the metadata cannot be read.",
    "metadata_lost": "A part of the photo's metadata, or of the job's texts, cannot stand in the result.",
    "placeholder_empty": "The photo's metadata has no value for a placeholder of a text. Nothing was written for it.",
    "glyphs_missing": "The fonts have no glyph for a character of a text. It was left out.",
    "text_cut": "A text has more lines than the picture has room for. The last ones were left out.",
    "no_face_found": "The job pixelates faces, and no face was found in the picture.",
    "pixels_unavailable": "The pixels cannot be decoded, so the metadata names no colours and nothing is measured.",
    "preview_used": "The photo is a camera raw file. The result is made of the JPEG preview in it.",
    "similarity_missed": "The result is less near to its picture than asked for: no quality that is tried reaches it, "
    "or max_bytes leaves no room for it.",
}
"""Every code -> what it means."""


@dataclass(frozen=True)
class PhotoWarning:
    """One warning: a code of WARNING_CODES, and a sentence that says what happened to this photo."""

    code: str
    detail: str


def bounded(warnings: Iterable[PhotoWarning]) -> tuple[PhotoWarning, ...]:
    """The warnings that a result keeps: each once, in their order, and no more than the limits allow."""
    kept: list[PhotoWarning] = []
    left = MAX_TEXT
    for warning in dict.fromkeys(warnings):
        detail = warning.detail.encode(errors="replace")[:MAX_DETAIL].decode(errors="ignore")
        left -= len(detail.encode())
        if left < 0 or len(kept) == MAX_WARNINGS:
            break
        kept.append(PhotoWarning(warning.code, detail))
    return tuple(kept)


def are_allowed(warnings: Iterable[PhotoWarning]) -> bool:
    """Whether all codes exist and the limits are kept."""
    listed = tuple(warnings)
    return all(warning.code in WARNING_CODES for warning in listed) and bounded(listed) == listed
