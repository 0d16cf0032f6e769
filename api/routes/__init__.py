"""The HTTP resources, one in each file."""
