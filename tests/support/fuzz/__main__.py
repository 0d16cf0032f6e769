"""Send thousands of damaged photos through children, the API and a worker.

    make fuzz PHOTOS=20000 SEED=1 ARGS='--folder ../photos --over-http 500'
    make fuzz SEED=1 ARGS='--photo 4711'

Prints what became of them. Ends with status 1 when a process has died, a failure is not in plain words, or time or
memory have no bound. The files of such findings are kept.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from darkroom.sniff import set_pixel_limit
from tests.support.fuzz.children import MAX_PIXELS
from tests.support.fuzz.damages import damaged
from tests.support.fuzz.over_http import SETTINGS, run_over_http
from tests.support.fuzz.photos import photos_of, sound_photos
from tests.support.fuzz.run import run_in_children
from tests.support.own_aws import own_deployment


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # runs the exits of all contexts, which end what was started
    set_pixel_limit(MAX_PIXELS)
    sound = sound_photos() | (photos_of(options.folder) if options.folder else {})
    options.keep.mkdir(parents=True, exist_ok=True)
    numbers = range(options.photos) if options.photo is None else [options.photo]
    with tempfile.TemporaryDirectory(prefix="darkroom-fuzz-") as directory:
        report = run_in_children(options.seed, numbers, sound, Path(directory), options.keep, options.children)
    if options.photo is not None:
        what, data = damaged(options.seed, options.photo, sound)
        file = options.keep / f"{options.seed}-{options.photo}"
        file.write_bytes(data)
        print(f"{file}: {what}")
    elif options.over_http:
        with own_deployment("fuzz", SETTINGS) as own:
            share = range(0, options.photos, max(1, options.photos // options.over_http))
            run_over_http(report, share, sound, own.environ, own.directory)
    print(report)
    return 1 if report.findings else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--photo", type=int, help="only the photo of this number; its file is kept")
    parser.add_argument("--folder", type=Path, help="damage the small files of this folder, too")
    parser.add_argument("--children", type=int, default=2, help="child processes at a time")
    parser.add_argument(
        "--over-http", type=int, default=300, help="how many photos also go through an API and a worker"
    )
    parser.add_argument(
        "--keep", type=Path, default=Path(".darkroom/fuzz"), help="the folder for the files of findings"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
