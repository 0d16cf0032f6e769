"""Who may call, and how often: API keys and limits."""
