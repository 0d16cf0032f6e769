"""What belongs to no resource: connections, gunicorn's worker class, problem documents, request ids."""
