"""A file that came past the API becomes a photo."""
