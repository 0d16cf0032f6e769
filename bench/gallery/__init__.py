"""The gallery: every operation on real photos, with the JSON to copy. `make gallery` writes docs/gallery/."""
