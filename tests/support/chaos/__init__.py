"""Chaos runs: photos are uploaded while workers are killed and stopped, and every photo must get its results.

`python -m tests.support.chaos`, which `make chaos` runs, and tests/integration/test_chaos.py with fewer photos.
"""
