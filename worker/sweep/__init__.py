"""What is overdue in the records is put right."""
