"""`python -m darkroom.local` is `make run`."""

from darkroom.local.containers import main

main()
