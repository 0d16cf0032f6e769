"""What belongs to no single resource: connections, requests, problem documents, request ids, gunicorn."""
