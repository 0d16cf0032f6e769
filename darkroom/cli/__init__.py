"""The `darkroom` command and its HTTP client."""
