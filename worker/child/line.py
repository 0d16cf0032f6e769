"""Threads that wait in line for something that only some of them can have at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Line(Generic[T]):
    """Lends things to threads. Who asks first gets the next one that is free."""

    def __init__(self, things: Iterable[T]) -> None:
        self._free = list(things)
        self._waiting: deque[_Place[T]] = deque()
        self._lock = threading.Lock()

    def take(self, check: Callable[[], None]) -> T:
        """Wait for a free thing. `check` is called before and after each wait; its error ends the waiting."""
        place: _Place[T] = _Place()
        with self._lock:
            if self._free:
                place.give(self._free.pop())  # the one that was used last: the others may stay idle
            else:
                self._waiting.append(place)
        try:
            check()  # only now: `call_all` reaches the place from here on
            while not place.has_it:
                place.called.wait()
                place.called.clear()
                check()
        except BaseException:
            self._leave(place)
            raise
        return place.thing

    def give_back(self, thing: T) -> None:
        """Lend a thing to the next thread in line. The caller has finished with it."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().give(thing)
            else:
                self._free.append(thing)

    @property
    def is_free(self) -> bool:
        """Whether a thread would get something at once."""
        return bool(self._free)

    def call_all(self) -> None:
        """Have every waiting thread call its `check`."""
        with self._lock:
            for place in self._waiting:
                place.called.set()

    def _leave(self, place: _Place[T]) -> None:
        with self._lock:
            if not place.has_it:
                self._waiting.remove(place)
                return
        self.give_back(place.thing)


class _Place(Generic[T]):
    """A thread's place in line. `thing` is set when the thread gets it."""

    thing: T

    def __init__(self) -> None:
        self.has_it = False
        self.called = threading.Event()

    def give(self, thing: T) -> None:
        self.thing = thing
        self.has_it = True
        self.called.set()
