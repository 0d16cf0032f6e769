"""Measures which system calls a child process makes after it has entered its sandbox."""
