"""The work on one message of the photos queue: claim, fetch, process, store, publish."""
