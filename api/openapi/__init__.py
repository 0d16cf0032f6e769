"""The OpenAPI document: the parts that routes describe themselves with, and the webhooks in it."""
