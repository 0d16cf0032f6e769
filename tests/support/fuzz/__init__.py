"""Damaged photos of every format and kind, thousands of them, through real children, the API and workers.

Every photo is made from the seed and its number alone, so a finding can be repeated: `make fuzz ARGS='--photo 4711'`.
"""
