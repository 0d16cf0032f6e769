"""Webhooks: they notify a photo's callback that the photo has ended."""
