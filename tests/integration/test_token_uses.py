"""How much of an upload token is used: several tries of one upload, also at the same time."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from darkroom.aws.token_uses import TokenLimit, TokenUses, Use
from darkroom.record.ids import new_id


class Token:
    def __init__(self, settings: Any, clients: Any) -> None:
        self.uses = TokenUses(settings, clients)
        self.limit = TokenLimit(new_id(), photos=3, size=300, until=int(time.time()) + 3600)

    def use(self, photos: int = 1, upload: str | None = None) -> Use:
        return Use(self.limit, photos, photos * 100, upload)

    @property
    def left(self) -> int:
        """How many photos the token still allows."""
        for photos in (3, 2, 1):
            if self.uses.take(use := self.use(photos)):
                self.uses.give_back(use, use.photos, use.size)
                return photos
        return 0


def test_each_upload_without_a_key_counts(settings: Any, clients: Any) -> None:
    token = Token(settings, clients)
    assert token.uses.take(token.use(2))
    assert not token.uses.take(token.use(2))
    assert token.left == 1


def test_all_tries_of_one_upload_count_once(settings: Any, clients: Any) -> None:
    token = Token(settings, clients)
    for again in (False, True, True):
        assert token.uses.take(token.use(2, "upload"), again)
    assert token.left == 1
    assert token.uses.take(token.use(1, "another"))
    assert token.left == 0
    assert token.uses.take(token.use(2, "upload"), again=True)


def test_a_try_after_one_that_gave_everything_back_counts(settings: Any, clients: Any) -> None:
    token = Token(settings, clients)
    first = token.use(3, "upload")
    assert token.uses.take(first)
    token.uses.give_back(first, 3, 300)
    assert token.left == 3
    assert token.uses.take(token.use(3, "upload"), again=True)
    assert token.left == 0


def test_a_try_counts_what_an_earlier_one_gave_back(settings: Any, clients: Any) -> None:
    token = Token(settings, clients)
    first, second = token.use(3, "upload"), token.use(3, "upload")
    assert token.uses.take(first)
    token.uses.give_back(first, 1, 100)
    assert token.left == 1
    assert token.uses.take(second, again=True)
    assert token.left == 0
    token.uses.give_back(second, 3, 300)  # two of them belong to the first try, which may have stored its photos
    assert token.left == 1


def test_a_try_that_was_taken_over_gives_nothing_back(settings: Any, clients: Any) -> None:
    token = Token(settings, clients)
    slow, second = token.use(2, "upload"), token.use(2, "upload")
    assert token.uses.take(slow)
    assert token.uses.take(second, again=True)
    token.uses.give_back(slow, 2, 200)
    assert token.left == 1


def test_a_try_after_one_that_died_before_it_counted_counts(settings: Any, clients: Any) -> None:
    token = Token(settings, clients)
    assert token.uses.take(token.use(2, "upload"), again=True)
    assert token.left == 1


def test_an_update_that_the_sdk_sends_again_counts_once(settings: Any, clients: Any) -> None:
    """The answer to the first one is lost."""
    token, sent = Token(settings, clients), clients.dynamodb.update_item

    def twice(**arguments: Any) -> Any:
        sent(**arguments)
        return sent(**arguments)

    token.uses._dynamodb = SimpleNamespace(
        update_item=twice, get_item=clients.dynamodb.get_item, exceptions=clients.dynamodb.exceptions
    )
    use = token.use(3)
    assert token.uses.take(use)
    assert not token.uses.take(token.use(1))
    token.uses.give_back(use, 1, 100)
    token.uses._dynamodb = clients.dynamodb
    assert token.left == 1
