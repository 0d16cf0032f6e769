"""The OpenAPI document: the responses and schemas that routes share, and the webhooks."""
