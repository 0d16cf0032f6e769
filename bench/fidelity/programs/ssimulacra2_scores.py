"""Scores of SSIMULACRA2: a request a line as JSON, an answer a line. It runs in the environment of the peers."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

from ssimulacra2 import compute_ssimulacra2  # type: ignore[import-not-found, unused-ignore]

print(json.dumps({"ssimulacra2": version("ssimulacra2")}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"score": float(compute_ssimulacra2(request["reference"], request["picture"]))}), flush=True)
