"""Pixels only: no AWS, no Flask, no global Pillow state."""
