"""The sweep: it repairs what is overdue in the records."""
