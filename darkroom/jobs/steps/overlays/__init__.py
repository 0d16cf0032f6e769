"""The specs of overlays, which are laid on a picture and keep its size. docs/overlays.md describes them for callers."""
