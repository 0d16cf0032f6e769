"""Requests that wait for a thread take turns, so that a caller with many of them does not delay a caller with one."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Addresses take turns, and so do the API keys of one address: behind a proxy all callers have its address.

    A key is not checked here. A caller who makes keys up gets more turns than others of the same address, but each of
    these requests is refused at once.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, OrderedDict[bytes, deque[T]]] = OrderedDict()
        self._resumed: deque[T] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, address: str, key: bytes, item: T) -> None:
        self._waiting.setdefault(address, OrderedDict()).setdefault(key, deque()).append(item)
        self._size += 1

    def resume(self, item: T) -> None:
        """Add an item that has had its turn and goes on now: it comes before all others."""
        self._resumed.append(item)
        self._size += 1

    def pop(self) -> T:
        """The next item. Raises KeyError when there is none."""
        if self._resumed:
            self._size -= 1
            return self._resumed.popleft()
        address, keys = self._waiting.popitem(last=False)
        key, items = keys.popitem(last=False)
        item = items.popleft()
        if items:
            keys[key] = items
        if keys:
            self._waiting[address] = keys
        self._size -= 1
        return item
