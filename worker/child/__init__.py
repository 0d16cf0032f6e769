"""The child processes that hold the pixels, and the worker's handle of them."""
