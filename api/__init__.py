"""HTTP in, SQS out."""
