"""CPU, requests, memory and quality of Darkroom beside its peers; `python -m bench.performance --help`."""
