"""Capacity and cost: a simulation from measurements, checked against real runs; `python -m bench.scale --help`."""
