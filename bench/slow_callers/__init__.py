"""How long a good client waits while other callers read or send slowly, or while AWS does not answer."""
