"""The schema of a metadata result: what a photo says of itself, as pydantic models. No Pillow is needed for it."""
