"""Every measure, in the order in which they run and are shown."""

from __future__ import annotations

from collections.abc import Mapping

from bench.fidelity.fidelity_run import FidelityRun
from bench.fidelity.measures import (
    colours,
    filter_definitions,
    metadata,
    moves_beside_sharp,
    results,
    sizes_beside_sharp,
)
from bench.one_measure import Measure

MEASURES: Mapping[str, Measure[FidelityRun]] = {
    "sizes": Measure(
        "Sizes and places, beside sharp",
        "Every combination of ten photo sizes with ten widths, ten heights, five fits, enlargement allowed or not, and "
        "600 random sizes for each fit, as far as no side of the result is above 4000 pixels. Pictures that are cut or "
        "padded without scaling show which part each position keeps.",
        sizes_beside_sharp.measure,
        sizes_beside_sharp.lines,
    ),
    "moves": Measure(
        "Crops, turns, extensions and trims, beside sharp",
        "Pictures and parameters are drawn at random: crops from a corner, quarter turns and any angle, mirror images, "
        "the four kinds of extension, and trims of noisy rectangles on plain and transparent pictures.",
        moves_beside_sharp.measure,
        moves_beside_sharp.lines,
    ),
    "results": Measure(
        "Results by operation and format, beside sharp",
        "Each result, put on white, against the photo decoded at full size and resampled in floating point with the "
        "Lanczos kernel of three lobes. CIEDE2000 is the difference of colours for the eye: 1 is just visible. "
        "SSIMULACRA2 is 100 for the same picture, and 90 for one that no one can tell from it. "
        "Most of the difference of a PNG is that of rounding to 8 bits. JPEG and WebP have quality 80, AVIF 55 and in "
        "sharp 60, so files are about as large. sharp has no Lanczos kernel to enlarge with: it takes a cubic one. Its "
        "enlarged pictures also lie about a third of a pixel beside the reference, which is most of their difference.",
        results.measure,
        results.lines,
    ),
    "colours": Measure(
        "Other colour spaces against their standards, beside sharp",
        "Cubes of 729 colours: Display P3 and Adobe RGB with an ICC profile, PQ and HLG (ITU-R BT.2100) as 16-bit PNGs "
        "with `cICP`. They are compared with the formulas of the standards in floating point. For HDR these "
        "include the tone curve of ITU-R BT.2390, from 1,000 to 203 cd/m2. sharp does not read `cICP`.",
        colours.measure,
        colours.lines,
    ),
    "filters": Measure(
        "Filters against their definitions",
        "Differences in levels of 255 from the definitions in [filters.md](filters.md), computed in floating point, "
        "for pictures made in code. Colours are multiplied by their alpha. Rounding alone is 0.25 in the mean, and 0.5 "
        "at most. Filters of sharp that are meant to do the same are beside them.",
        filter_definitions.measure,
        filter_definitions.lines,
    ),
    "metadata": Measure(
        "Metadata, beside ExifTool",
        "Every field of the schema that ExifTool has too, for each photo of the folder. Where the two differ for a "
        "known reason, [metadata.md](metadata.md) explains it.",
        metadata.measure,
        metadata.lines,
    ),
}
