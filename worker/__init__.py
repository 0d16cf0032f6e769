"""SQS in, results out."""
