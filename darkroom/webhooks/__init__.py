"""What the API and the worker both need of webhooks: callback URLs and signatures."""
