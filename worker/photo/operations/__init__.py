"""What makes a picture from another one: one family of steps a file. `step_functions.py` lists those that keep the
size of the picture; the plan composes the others (worker/photo/pipeline.py)."""
