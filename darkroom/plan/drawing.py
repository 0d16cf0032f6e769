"""Draw a plan as a tree of text, or one result's part of it as a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from darkroom.plan.graph import (
    Apply,
    Colours,
    CropByContent,
    Decode,
    Finish,
    MeasureTrim,
    Node,
    Pad,
    Plan,
    Resample,
    RotateFreely,
    Surround,
    Turn,
)

COLOUR_NAMES = {"srgb": "sRGB", "p3": "Display P3"}


def drawn(plan: Plan) -> list[tuple[str, str, str]]:
    """A row for each node: what it does, drawn below the picture that it is made from; its size; its estimated cost."""
    roots = [position for position, node in enumerate(plan.nodes) if not node.sources]
    return [row for root in roots for row in _rows(plan, root, "", "")]


def steps(plan: Plan, positions: Iterable[int]) -> tuple[str, ...]:
    """What these nodes do, each with its size: `resize (lanczos3) 800x600`."""
    nodes = (plan.nodes[position] for position in positions)
    return tuple(f"{_words(node, named=False)} {node.size[0]}x{node.size[1]}" for node in nodes)


def _rows(plan: Plan, position: int, first: str, further: str) -> Iterator[tuple[str, str, str]]:
    """`first` stands before the node's own row, `further` before those below it."""
    node = plan.nodes[position]
    yield f"{first}{_words(node)}", f"{node.size[0]}x{node.size[1]}", f"{node.seconds * 1000:.1f} ms"
    made = [at for at, other in enumerate(plan.nodes) if other.sources[:1] == (position,)]
    for at in made:
        last = at == made[-1]
        yield from _rows(plan, at, further + ("└─ " if last else "├─ "), further + ("   " if last else "│  "))


def _words(node: Node, *, named: bool = True) -> str:
    """`named`: with the id of the job whose result it is."""
    match node.operation:
        case Decode(scale, page):
            return "decode" + (f" page {page}" if page else "") + (f" at 1/{scale}" if scale > 1 else "")
        case Turn(orientation):
            return f"turn (orientation {orientation})"
        case Colours(target):
            return f"convert to {COLOUR_NAMES[target]}"
        case Resample(kernel, box, label):
            part = "" if label == "overview" or box[:2] == (0, 0) else " a part"
            return f"{label}{part} ({kernel})"
        case CropByContent(kernel, strategy):
            return f"resize a part, by {strategy} ({kernel})"
        case Pad(background):
            return f"pad with {background}"
        case Surround(extend_with):
            return f"extend with {extend_with}"
        case RotateFreely(angle):
            return f"rotate by {angle:g} degrees"
        case MeasureTrim():
            return "measure what trim keeps"
        case Apply(spec):
            return spec.label
        case Finish(job, gain_map_view=view):
            # With the format `auto` there are several encoders, and the smallest file is taken.
            encoders = [kind.removeprefix("encode ") for kind in node.work if kind.startswith("encode ")]
            encoding = f"encode {' or '.join(encoders)}" if encoders else node.operation.label
            encoding += " with gain map" if view else ""
            return f"{encoding} -> {job}" if named else encoding
        case operation:
            return operation.label
