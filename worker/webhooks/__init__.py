"""The callback is told that a photo has ended."""
