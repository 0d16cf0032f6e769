"""Rows of Markdown tables."""

from __future__ import annotations


def head(*names: str) -> list[str]:
    return [line(*names), "|" + "---|" * len(names)]


def line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
