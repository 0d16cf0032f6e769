"""Webhooks as both sides know them: callback URLs and signatures."""
