"""Find the encoding of a picture that keeps `max_bytes` and reaches a similarity, in at most MOST_TRIES encodings.

The size of a file and its similarity rise with the quality. So each try says on which side of it the wanted quality is,
and where it probably is: the logarithms of the size and of 1 - similarity are nearly straight lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from darkroom.containers.repair import name_of
from darkroom.errors import PhotoError
from darkroom.jobs.output import DEFAULT_SIMILARITY, Output
from darkroom.jobs.output_formats import MOST_TRIES, OUTPUT_FORMATS
from darkroom.making import EncodingTry
from worker.photo.encode.prepared import Prepared

BEST, LEAST = 100, 1
"""The qualities between which one is found."""

FULL = 0.95
"""Share of `max_bytes` from which on a file is large enough."""

NEAR = 0.003
"""By how much a similarity may be better than asked for."""

_SIZE_SLOPE, _LOSS_SLOPE = 0.03, 0.025
"""By how much the logarithms of the size and of 1 - similarity usually change with each step of quality."""

PALETTES = (256, 128, 64, 32, 16)
"""Numbers of colours that are tried for a PNG or GIF that is too large."""


@dataclass(frozen=True)
class BestEncoding:
    """The best encoding. `complete`: it is as good as the output asks, `max_bytes` aside."""

    prepared: Prepared
    data: bytes
    complete: bool
    tries: tuple[EncodingTry, ...]

    @property
    def similarity(self) -> float:
        """That of the encoding, measured if it was not measured yet."""
        last = next(one for one in self.tries if one.bytes == len(self.data))
        return self.prepared.similarity(self.data) if last.similarity is None else last.similarity


class TooManyBytes(PhotoError):
    """No encoding keeps `max_bytes`."""

    def __init__(self, format_: str, least: int, most: int) -> None:
        super().__init__(
            f"The smallest {name_of(format_)} of this picture has {least:,} bytes; max_bytes is {most:,}. Ask for a "
            "smaller size, another format or more bytes."
        )


def is_lossy(format_: str, output: Output) -> bool:
    """Whether a result in this format has a quality."""
    has_quality = OUTPUT_FORMATS[format_].quality is not None and not output.lossless
    return has_quality and (format_ != "tiff" or output.compression == "jpeg")


def quality_of(format_: str, output: Output) -> int:
    """The quality of a result in this format. With the format `auto`, a number is a quality of JPEG: other formats get
    the one that is as far between their default and 1, or between their default and 100."""
    usual, usual_jpeg = OUTPUT_FORMATS[format_].quality, OUTPUT_FORMATS["jpeg"].quality
    assert usual is not None
    assert usual_jpeg is not None
    asked = output.quality
    if not isinstance(asked, int):
        return usual
    if output.format != "auto":
        return asked
    if asked <= usual_jpeg:
        return max(1, round(asked * usual / usual_jpeg))
    return round(usual + (asked - usual_jpeg) * (100 - usual) / (100 - usual_jpeg))


def with_number(format_: str, output: Output) -> Output:
    """The output with a number as its quality, if the format has one."""
    return output.model_copy(update={"quality": quality_of(format_, output) if is_lossy(format_, output) else None})


def found(prepared: Prepared, output: Output, *, palettes: bool = True) -> BestEncoding:
    """The best encoding of a picture. Raises TooManyBytes. `palettes`: a PNG may get fewer colours."""
    if not is_lossy(prepared.format, output):
        return _with_fewer_colours(prepared, output, palettes)
    search = _Search(prepared, output)
    search.run()
    return search.best()


def _with_fewer_colours(prepared: Prepared, output: Output, palettes: bool) -> BestEncoding:
    """A picture in a format without a quality, with all colours that are asked for, or as many as fit."""
    limit = output.max_bytes or math.inf
    tries: list[EncodingTry] = []
    for asked in _palettes(prepared.format, output) if palettes else [output]:
        data = prepared.encoded(asked)
        tries.append(EncodingTry(prepared.format, None, asked.colours, len(data)))
        if len(data) <= limit:
            return BestEncoding(prepared, data, len(tries) == 1, tuple(tries))
    raise TooManyBytes(prepared.format, min(one.bytes for one in tries), int(limit))


def _palettes(format_: str, output: Output) -> Iterator[Output]:
    """What is asked for, and then fewer and fewer colours."""
    yield output
    if format_ in ("png", "gif") and not output.lossless:
        most = output.colours or (257 if format_ == "png" else 256)
        for colours in [number for number in PALETTES if number < most][: MOST_TRIES - 1]:
            yield output.model_copy(update={"colours": colours})


@dataclass
class _Search:
    """The search for a quality."""

    prepared: Prepared
    output: Output
    tries: list[EncodingTry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._limit = self.output.max_bytes or math.inf
        self._target: float | None = None
        self._low, self._high = LEAST, quality_of(self.prepared.format, self.output)
        self._next = self._high
        if self.output.quality == "auto":
            self._target = self.output.similarity or DEFAULT_SIMILARITY
            self._high = BEST
        self._most = self._high
        self._data = b""
        """Of the best try so far."""

    def run(self) -> None:
        while self._low <= self._high and len(self.tries) < MOST_TRIES:
            is_last = len(self.tries) == MOST_TRIES - 1
            quality = LEAST if is_last and not self._fitting() else min(max(self._next, self._low), self._high)
            if self._take(quality):
                return
            self._next = self._guess()

    def _take(self, quality: int) -> bool:
        """Try a quality. Returns whether nothing better is to be expected."""
        data = self.prepared.encoded(self.output.model_copy(update={"quality": quality}))
        reached = None if self._target is None else self.prepared.similarity(data)
        one = EncodingTry(self.prepared.format, quality, None, len(data), reached)
        best = self._best_try()
        self.tries.append(one)
        if best is None or self._best_try() is one:
            self._data = data
        if one.bytes > self._limit:
            self._high = quality - 1
        elif self._target is None or reached is None:
            self._low = quality + 1
            return quality == self._most or one.bytes >= FULL * self._limit
        elif reached >= self._target:
            self._high = quality - 1
            return reached <= self._target + NEAR
        else:
            self._low = quality + 1
        return False

    def _guess(self) -> int:
        """The quality that is to be tried next."""
        wanted = [float(self._most)]
        if self._limit < math.inf:
            aim = math.log(self._limit * (1 + FULL) / 2)
            wanted.append(self._quality_for(lambda one: math.log(one.bytes) - aim, _SIZE_SLOPE))
        if self._target is not None:
            goal = 1 - self._target - NEAR / 2
            wanted.append(
                self._quality_for(lambda one: math.log(goal / max(1e-6, 1 - (one.similarity or 0))), _LOSS_SLOPE)
            )
        guess = min(wanted)
        if len(self.tries) >= MOST_TRIES // 2:  # the line is bent: go on half way to the middle
            guess = (guess + (self._low + self._high) / 2) / 2
        return round(guess)

    def _quality_for(self, excess: Callable[[EncodingTry], float], slope: float) -> float:
        """The quality at which `excess`, which rises with it, is 0: on the line through the two nearest tries."""
        ranked = sorted(self.tries, key=lambda one: abs(excess(one)))
        first = ranked[0]
        other = next((one for one in ranked[1:] if (excess(one) < 0) != (excess(first) < 0)), None)
        other = other or (ranked[1] if len(ranked) > 1 else None)
        if other and other.quality != first.quality and excess(other) != excess(first):
            assert first.quality is not None
            assert other.quality is not None
            slope = max(0.003, (excess(other) - excess(first)) / (other.quality - first.quality))
        assert first.quality is not None
        return first.quality - excess(first) / slope

    def _fitting(self) -> list[EncodingTry]:
        return [one for one in self.tries if one.bytes <= self._limit]

    def _best_try(self) -> EncodingTry | None:
        """The one that keeps `max_bytes` and, if there is a target, is the smallest that reaches it. If none does, the
        one with the highest quality. If none keeps `max_bytes`, the smallest."""
        fitting = self._fitting()
        if not fitting:
            return min(self.tries, key=lambda one: one.bytes, default=None)
        reaching = [one for one in fitting if self._reaches(one)]
        if self._target is not None and reaching:
            return min(reaching, key=lambda one: one.bytes)
        return max(fitting, key=lambda one: one.quality or 0)

    def _reaches(self, one: EncodingTry) -> bool:
        if self._target is None or one.similarity is None:
            return one.quality == self._most
        return one.similarity >= self._target

    def best(self) -> BestEncoding:
        one = self._best_try()
        assert one is not None
        if one.bytes > self._limit:
            raise TooManyBytes(self.prepared.format, one.bytes, int(self._limit))
        return BestEncoding(self.prepared, self._data, self._reaches(one), tuple(self.tries))
