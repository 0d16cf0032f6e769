"""One message of the photos queue: claim, fetch, process, store, publish."""
