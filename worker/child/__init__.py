"""The processes that hold pixels, and the worker's side of them."""
