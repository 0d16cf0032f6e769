"""The embedded runs: API and workers, or functions, with an AWS emulator on this machine."""
