"""Animations: every frame of a photo goes through the steps of a job. Read frame_run.py first."""
