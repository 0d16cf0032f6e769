"""The AWS clients, and what Darkroom does with them: bucket, queue, table."""
