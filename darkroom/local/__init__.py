"""`make run` and `make run-serverless`: Darkroom with an AWS emulator on this machine, without Docker."""
