"""What a caller can ask for: the specs of jobs, steps and output formats."""
