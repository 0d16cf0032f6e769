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
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import PIL

from darkroom.local.emulator import Emulator, free_port
from darkroom.logs import set_up_logs
from darkroom.provision.data import provision
from darkroom.services import Services
from darkroom.settings import read_settings
from tests.support.chaos.run import Plan, run


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # runs the exits of all contexts, which end what was started
    plan = Plan(photos=options.photos, workers=options.workers, seed=options.seed, fifo=options.fifo)
    with tempfile.TemporaryDirectory(prefix="darkroom-chaos-") as directory, _aws(Path(directory, "aws")) as aws:
        name = f"chaos-{uuid.uuid4().hex[:12]}"
        os.environ |= plan.variables | {
            "DARKROOM_STACK": name,
            "DARKROOM_BUCKET": name,
            "DARKROOM_SPOOL_DIR": str(Path(directory, "spool")),
            "DARKROOM_PORT": str(free_port()),
        }
        services = Services.connect(read_settings())
        set_up_logs(services.settings.model_copy(update={"log_level": "error"}), "chaos")
        provision(services.settings, services.clients)
        print(f"{plan}\non {aws}; Python {platform.python_version()}, Pillow {PIL.__version__}, {os.cpu_count()} cores")
        try:
            report = run(plan, dict(os.environ), Path(directory))
        finally:
            services.clients.cloudformation.delete_stack(StackName=name)
    print(report)
    return 1 if report.faults else 0


@contextmanager
def _aws(directory: Path) -> Iterator[str]:
    for name in [name for name in os.environ if name.startswith("DARKROOM_")]:
        del os.environ[name]  # a developer's own settings must not reach the run
    os.environ |= {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    if url := os.environ.get("AWS_ENDPOINT_URL"):
        yield url
        return
    with Emulator(directory) as emulator:
        os.environ["AWS_ENDPOINT_URL"] = emulator.url
        yield f"ministack {version('ministack')}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fifo", action="store_true", help="a FIFO queue, with several owners")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
