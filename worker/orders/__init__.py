"""The work on one message of the photos queue: fetch, claim, process, store, publish."""
