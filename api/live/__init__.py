"""Live events: what changes in photos, for callers who listen."""
