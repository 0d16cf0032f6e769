"""How long uploads and `/healthz` of a good client take while other callers read or send slowly, or AWS hangs.

    .venv/bin/python -m bench.slow_callers [--wave 'slow readers'] [--further] [--uploads 60] [--round-trip 0.1]
        [--setting DARKROOM_CONNECTIONS_PER_ADDRESS=50]

Each wave meets a new API on the embedded AWS emulator. The attackers come from one loopback
address, then from many; the good client calls from 127.0.0.1. Everything runs on this machine. The exit status is 1
when a request of the good client failed, the API answered an attacker with status 500, or its log has a traceback.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from bench.slow_callers import latency_table
from bench.slow_callers.good_client import PATIENCE, PROBE_PACE, UPLOAD_PACE
from bench.slow_callers.latency_table import HEALTH_GOAL, UPLOAD_GOAL, Measured
from bench.slow_callers.wave_bench import WaveBench
from bench.slow_callers.waves import FURTHER_WAVES, WAVES, Wave
from darkroom import __version__


def main() -> None:
    options = _options()
    waves = _chosen(options)
    measured: list[Measured] = []
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-slow-callers-") as directory,
        WaveBench(Path(directory), options.uploads, dict(options.setting), options.round_trip) as bench,
    ):
        _print_inputs(options, len(bench.photo), waves)
        print(latency_table.HEAD, flush=True)
        for wave in waves:
            if not bench.has_measured_quiet(wave.keys):
                quiet = bench.quiet(wave.keys)
                measured.append(quiet)
                print(latency_table.row(quiet, quiet), flush=True)
            for addresses in wave.addresses:
                measured.append(bench.under(wave, addresses))
                print(latency_table.row(measured[-1], bench.quiet(wave.keys)), flush=True)
    print(
        f"\n{latency_table.LEGEND}\n\nGoals, p99: uploads below {UPLOAD_GOAL:g} s, /healthz below {HEALTH_GOAL:g} s\n"
    )
    for each in measured:
        print("\n".join(latency_table.details(each)))
    sys.exit(1 if any(map(latency_table.unexpected_failures, measured)) else 0)


def _print_inputs(options: argparse.Namespace, photo_size: int, waves: list[Wave]) -> None:
    print(
        f"The good client: {options.uploads} uploads of {photo_size / 1e6:.1f} MB, one each {UPLOAD_PACE:g} s, and "
        f"/healthz each {PROBE_PACE:g} s, each on a new connection, with a round trip of {options.round_trip:g} s; it "
        f"gives a request up after {PATIENCE:g} s"
    )
    settings = " ".join(f"{name}={value}" for name, value in options.setting)
    print(f"The API: {settings or 'default settings'}")
    for wave in waves:
        print(f"{wave.name}: {wave.description}")
    machine = f"Linux {platform.release()}, {os.cpu_count()} cores, {platform.machine()}"
    print(
        f"\nDarkroom {__version__}, gunicorn {version('gunicorn')}, Flask {version('flask')}, "
        f"Python {platform.python_version()}, {machine}\n"
    )


def _chosen(options: argparse.Namespace) -> list[Wave]:
    if options.wave:
        return [wave for wave in WAVES + FURTHER_WAVES if wave.name in options.wave]
    return WAVES + FURTHER_WAVES if options.further else WAVES


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [wave.name for wave in WAVES + FURTHER_WAVES]
    parser.add_argument("--wave", action="append", choices=names, help="only this wave; can be given several times")
    parser.add_argument("--further", action="store_true", help="also the waves that have no goal of their own")
    parser.add_argument("--uploads", type=int, default=60)
    parser.add_argument("--round-trip", type=float, default=0, help="seconds from a connection to its request")
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="a setting of the API, such as DARKROOM_CONNECTIONS_PER_ADDRESS=50",
    )
    return parser.parse_args()


def _setting(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


if __name__ == "__main__":
    main()
