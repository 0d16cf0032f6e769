"""The containers of photos: what a file is made of before a decoder reads it. Standard library only, bounded reads."""
