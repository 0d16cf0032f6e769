"""Overlays: what is laid on a picture. `text.py` and `watermark.py` make an RGBA picture of what is laid on,
`placing.py` says where it lies, and `compositing.py` mixes it with the picture."""
