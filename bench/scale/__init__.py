"""Capacity and cost: a simulation fed by measurements, checked against real runs; `python -m bench.scale --help`."""
