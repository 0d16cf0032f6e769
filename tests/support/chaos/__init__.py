"""The queue under fire: photos go in over HTTP while workers are killed and stopped, and everything must come out.

`python -m tests.support.chaos`, which `make chaos` runs, and tests/integration/test_chaos.py with fewer photos.
"""
