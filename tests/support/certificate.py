"""A self-signed certificate for the HTTPS servers of tests."""

from __future__ import annotations

import subprocess
from pathlib import Path


def self_signed(folder: Path, host: str) -> Path:
    """Make a certificate for a host name. Returns its file; the key is in the file `{name}.key` beside it."""
    file = folder / "certificate.pem"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN={host} -addext subjectAltName=DNS:{host} -keyout {file}.key -out {file}".split(),
        check=True,
        capture_output=True,
    )
    return file
