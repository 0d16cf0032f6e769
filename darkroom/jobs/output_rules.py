"""Which options of an output go together. Each rule says so twice: as a check, and as JSON schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from darkroom.jobs.output_formats import FORMAT_ALIASES, OUTPUT_FORMATS

TEXTS = ("copyright", "credit", "artist", "caption")
"""The fields of `Output` whose text is written into the result."""

LOSSY_ONLY = tuple(name for name, facts in OUTPUT_FORMATS.items() if not facts.lossless)
"""Formats that cannot hold every picture without a loss."""

WITHOUT_QUALITY = ("png", "gif", "tiff")
"""Formats whose quality cannot be searched for. A TIFF has one only with JPEG compression."""

SRGB_ONLY = tuple(name for name, facts in OUTPUT_FORMATS.items() if not facts.profile)
"""Formats that are written without a colour profile."""


@dataclass(frozen=True)
class OutputRule:
    """`is_broken` tells it of an output, `message` says what would be right, `schema` is the same as JSON schema.

    `names` gives the texts of the places in the message.
    """

    code: str
    message: str
    is_broken: Callable[[Any], bool]
    schema: dict[str, Any]
    names: Callable[[Any], dict[str, str]] = lambda _output: {}


def _given(name: str, **value: Any) -> dict[str, Any]:
    """The schema of an output that has this field with such a value."""
    return {"required": [name], "properties": {name: value}}


def _if(condition: dict[str, Any], **then: dict[str, Any]) -> dict[str, Any]:
    return {"if": condition, "then": {"properties": then}}


def _with_format(condition: dict[str, Any], *formats: str) -> dict[str, Any]:
    return {"if": condition, "then": _given("format", enum=list(formats))}


def _asked_formats(output: Any) -> tuple[str | None, ...]:
    return output.accept if output.format == "auto" and output.accept else (output.format,)


def _asks_only_for(output: Any, formats: Iterable[str]) -> bool:
    return set(formats).issuperset(_asked_formats(output))


def _no_format_but(*formats: str) -> dict[str, Any]:
    """The schema of an output that asks for one of other formats too."""
    spelled = [*formats, *(alias for alias, name in FORMAT_ALIASES.values.items() if name in formats)]
    other = {"not": {"enum": spelled}}
    return {"format": other, "accept": {"anyOf": [_NULL, {"contains": other}]}}


_NULL = {"type": "null"}


def _first_text(output: Any) -> str | None:
    return next((name for name in TEXTS if getattr(output, name) is not None), None)


OUTPUT_RULES = (
    OutputRule(
        "text_without_metadata",
        '"metadata": "none" writes nothing: leave out {text}, or use "rights"',
        lambda output: output.metadata == "none" and _first_text(output) is not None,
        _if(_given("metadata", const="none"), **dict.fromkeys(TEXTS, _NULL)),
        names=lambda output: {"text": str(_first_text(output))},
    ),
    OutputRule(
        "lossless_format",
        '"lossless" is for PNG, WebP, TIFF, HEIC and JPEG XL: JPEG, AVIF and GIF lose a part of most pictures',
        lambda output: output.lossless and _asks_only_for(output, LOSSY_ONLY),
        _if(_given("lossless", const=True), **_no_format_but(*LOSSY_ONLY)),
    ),
    OutputRule(
        "lossless_with_loss",
        '"lossless" does not go together with quality, colours, chroma "4:2:0" and compression "jpeg": leave them out',
        lambda output: (
            output.lossless
            and (
                output.quality is not None
                or output.colours is not None
                or output.chroma == "4:2:0"
                or output.compression == "jpeg"
            )
        ),
        _if(
            _given("lossless", const=True),
            quality=_NULL,
            colours=_NULL,
            chroma={"not": {"const": "4:2:0"}},
            compression={"not": {"const": "jpeg"}},
        ),
    ),
    OutputRule(
        "accept_format",
        '"accept" is for "format": "auto"',
        lambda output: output.accept is not None and output.format != "auto",
        _with_format(_given("accept", type="array"), "auto"),
    ),
    OutputRule(
        "similarity_quality",
        '"similarity" is for "quality": "auto"',
        lambda output: output.similarity is not None and output.quality != "auto",
        {"if": _given("similarity", type="number"), "then": _given("quality", const="auto")},
    ),
    OutputRule(
        "quality_format",
        'PNG, GIF and TIFF have no quality to find: leave out "quality": "auto", or use another format',
        lambda output: output.quality == "auto" and _asks_only_for(output, WITHOUT_QUALITY),
        _if(_given("quality", const="auto"), **_no_format_but(*WITHOUT_QUALITY)),
    ),
    OutputRule(
        "colours_format",
        '"colours" is for PNG and GIF: add "format": "png"',
        lambda output: output.colours is not None and output.format not in ("png", "gif"),
        _with_format(_given("colours", type="integer"), "png", "gif"),
    ),
    OutputRule(
        "compression_format",
        '"compression" is for TIFF: add "format": "tiff"',
        lambda output: output.compression is not None and output.format != "tiff",
        _with_format(_given("compression", type="string"), "tiff", "tif"),
    ),
    OutputRule(
        "webp_chroma",
        'a WebP with loss has its colours at half the resolution: leave out "chroma", add "lossless", or use another '
        "format",
        lambda output: output.chroma == "4:4:4" and not output.lossless and _asks_only_for(output, ("webp",)),
        {
            "if": _given("chroma", const="4:4:4"),
            "then": {"anyOf": [_given("lossless", const=True), {"properties": _no_format_but("webp")}]},
        },
    ),
    OutputRule(
        "profile_format",
        'GIF and JPEG XL are written in sRGB only: leave out "profile", or use another format',
        lambda output: output.profile != "srgb" and _asks_only_for(output, SRGB_ONLY),
        _if(_given("profile", enum=["p3", "keep"]), **_no_format_but(*SRGB_ONLY)),
    ),
)
