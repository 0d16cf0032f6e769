"""What can be asked of a photo: the specs of jobs and steps."""
