"""The metadata that a result gets, and the proof of what it has. Read blocks.py first.

`rights.py` is what `"metadata": "rights"` writes, `everything.py` what `"all"` writes. `proof.py` reads a finished
result, and lists which fields may leave.
"""
