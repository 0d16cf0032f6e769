"""The record of a photo, its transitions, its views, and the messages that name it."""
