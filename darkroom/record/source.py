"""The URL from which a photo was fetched, as it may be shown: its query is often a signature, or a key."""

from __future__ import annotations


def without_query(url: str) -> str:
    """The URL up to its path. URLs with a user name or password are refused before they are stored."""
    return url.partition("?")[0]
