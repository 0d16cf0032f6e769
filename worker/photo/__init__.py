"""The photo code: decode, resize, filter, describe, encode. It knows no AWS, no Flask and no logs."""
