"""A smooth curve through points that never overshoots them.

Source: F. N. Fritsch and R. E. Carlson, Monotone Piecewise Cubic Interpolation, 1980; slopes as in F. N. Fritsch and
J. Butland, A Method for Constructing Local Monotone Piecewise Cubic Interpolants, 1984.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise

Points = Sequence[Sequence[float]]
"""(x, y), with rising x."""


def monotone_cubic(points: Points) -> Callable[[float], float]:
    """The curve as a function of x. It is level left of the first point and right of the last one."""
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    slopes = _slopes(xs, ys)

    def value(x: float) -> float:
        if x <= xs[0] or x >= xs[-1]:
            return ys[0] if x <= xs[0] else ys[-1]
        at = bisect_right(xs, x) - 1
        width = xs[at + 1] - xs[at]
        t = (x - xs[at]) / width
        start = (1 + 2 * t) * (1 - t) ** 2 * ys[at] + t * (1 - t) ** 2 * width * slopes[at]
        end = t**2 * (3 - 2 * t) * ys[at + 1] + t**2 * (t - 1) * width * slopes[at + 1]
        return start + end

    return value


def _slopes(xs: list[float], ys: list[float]) -> list[float]:
    """The slope at each point: a mean of those of the lines on both sides, or 0 where these have different signs."""
    if len(xs) == 1:
        return [0.0]
    widths = [after - before for before, after in pairwise(xs)]
    lines = [(after - before) / width for before, after, width in zip(ys, ys[1:], widths, strict=False)]
    inner = [_mean(*pair) for pair in zip(lines, lines[1:], widths, widths[1:], strict=False)]
    if not inner:
        return [lines[0], lines[0]]
    return [_end(widths[0], widths[1], lines[0], lines[1]), *inner, _end(*widths[:-3:-1], *lines[:-3:-1])]


def _mean(left: float, right: float, left_width: float, right_width: float) -> float:
    """The harmonic mean, weighted by the widths."""
    if left * right <= 0:
        return 0.0
    left_weight, right_weight = 2 * right_width + left_width, right_width + 2 * left_width
    return (left_weight + right_weight) / (left_weight / left + right_weight / right)


def _end(width: float, next_width: float, line: float, next_line: float) -> float:
    """The slope at the first or last point: that of a parabola through three points, within what keeps the curve
    monotone."""
    slope = ((2 * width + next_width) * line - width * next_line) / (width + next_width)
    if slope * line <= 0:
        return 0.0
    return 3 * line if line * next_line <= 0 and abs(slope) > 3 * abs(line) else slope
