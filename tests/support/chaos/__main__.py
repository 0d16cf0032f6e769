"""Upload photos, kill and stop workers until all photos have ended, and check the results.

    make chaos ARGS='--photos 500 --workers 4 --seed 1 --fifo'

On an emulator of its own, or on AWS_ENDPOINT_URL (LocalStack). Ends with status 1 when anything is wrong.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys

import PIL

from tests.support.chaos.run import Plan, run
from tests.support.own_aws import own_deployment


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # runs the exits of all contexts, which end what was started
    plan = Plan(photos=options.photos, workers=options.workers, seed=options.seed, fifo=options.fifo)
    with own_deployment("chaos", plan.variables) as own:
        versions = f"Python {platform.python_version()}, Pillow {PIL.__version__}"
        print(f"{plan}\non {own.aws}; {versions}, {os.cpu_count()} cores")
        report = run(plan, own.environ, own.directory)
    print(report)
    return 1 if report.faults else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fifo", action="store_true", help="a FIFO queue, with several owners")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
