"""`python -m darkroom` is the `darkroom` command."""

from darkroom.cli.main import main

main(prog_name="darkroom")
