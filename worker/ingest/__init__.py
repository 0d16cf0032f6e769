"""A file that did not come through the API becomes a photo."""
