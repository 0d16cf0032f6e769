"""The record of an owner's assets: no object is stored without its key in the record."""

from __future__ import annotations

from datetime import timedelta

import pytest

from darkroom.asset_errors import AssetLimitReached
from darkroom.errors import NotFound, Unavailable
from darkroom.record.clock import now
from darkroom.record.keys import asset_key
from darkroom.record.late_writes import LONGEST_PUT, ImportTime
from darkroom.record.owner_assets import MOST_LEFTOVERS, Asset, AssetContent, OwnerAssets

ID = "a" * 64
MOST = 3


def record() -> OwnerAssets:
    return OwnerAssets(owner="alice")


def asset(upload: str, time: ImportTime, asset_id: str = ID) -> Asset:
    return Asset(
        id=asset_id,
        key=asset_key("alice", asset_id, upload),
        size=10,
        content=AssetContent(kind="picture", content_type="image/png", width=1, height=1),
        created_at=now(),
        stored_until=time.until + LONGEST_PUT,
    )


def uploaded(assets: OwnerAssets, upload: str = "1", asset_id: str = ID, missing: str | None = None) -> Asset:
    time = ImportTime()
    new = asset(upload, time, asset_id)
    assets.begin_upload(new.id, new.key, time, MOST)
    return assets.finish_upload(new, time, MOST, missing)


def test_an_upload_that_is_not_finished_is_left_to_the_sweep_after_its_time() -> None:
    assets, time = record(), ImportTime()
    assets.begin_upload(ID, "assets/1", time, MOST)
    assert assets.assets == {}
    assert assets.overdue == []
    assert assets.due_at == time.until + LONGEST_PUT


def test_a_finished_upload_leaves_nothing_to_do() -> None:
    assets = record()
    added = uploaded(assets)
    assert assets.asset(ID) == added
    assert (assets.leftovers, assets.due_at) == ({}, None)


def test_of_two_uploads_of_one_file_the_first_counts_and_the_other_object_is_left_over() -> None:
    assets = record()
    first = uploaded(assets, "1")
    assert uploaded(assets, "2") == first
    assert assets.asset(ID) == first
    assert [key.rpartition("/")[2] for key in assets.leftovers] == ["2"]


def test_an_asset_whose_object_is_missing_gets_a_new_one() -> None:
    assets = record()
    before = uploaded(assets, "1")
    after = uploaded(assets, "2", missing=before.key)
    assert assets.asset(ID) == after
    assert after.key.endswith("/2")
    assert set(assets.leftovers) == {before.key}


def test_an_upload_that_took_too_long_is_not_finished() -> None:
    """The sweep may have removed its object."""
    assets, time = record(), ImportTime()
    new = asset("1", time)
    assets.begin_upload(new.id, new.key, time, MOST)
    time.until = now()
    with pytest.raises(Unavailable):
        assets.finish_upload(new, time, MOST)
    assert assets.assets == {}


def test_the_number_of_assets_is_limited_when_an_upload_begins_and_when_it_ends() -> None:
    assets, time = record(), ImportTime()
    ids = [f"{number:064x}" for number in range(MOST + 1)]
    late = asset("late", time, ids[MOST])
    for number in range(MOST - 1):
        uploaded(assets, str(number), ids[number])
    assets.begin_upload(late.id, late.key, time, MOST)
    uploaded(assets, "last", ids[MOST - 1])
    with pytest.raises(AssetLimitReached, match="you have 3 of at most 3 assets"):
        assets.finish_upload(late, time, MOST)
    with pytest.raises(AssetLimitReached):
        assets.begin_upload(late.id, "assets/again", time, MOST)
    assert set(assets.leftovers) == {late.key}
    assert uploaded(assets, "again", ids[0]).key == assets.asset(ids[0]).key


def test_the_number_of_objects_that_wait_for_their_removal_is_limited() -> None:
    assets, time = record(), ImportTime()
    for number in range(MOST_LEFTOVERS):
        assets.begin_upload(ID, f"assets/{number}", time, MOST)
    with pytest.raises(AssetLimitReached, match="try again later"):
        assets.begin_upload(ID, "assets/more", time, MOST)


def test_a_removed_asset_is_left_over_until_no_earlier_put_can_store_it_again() -> None:
    assets = record()
    removed = uploaded(assets)
    assert assets.remove(ID) == removed
    with pytest.raises(NotFound):
        assets.remove(ID)
    assert assets.leftovers == {removed.key: removed.stored_until}
    assets.note_removed([removed.key], now())
    assert assets.leftovers == {removed.key: removed.stored_until}
    assets.note_removed([removed.key], removed.stored_until)
    assert assets.leftovers == {}


def test_an_asset_that_was_stored_long_ago_is_due_at_once_when_it_is_removed() -> None:
    assets = record()
    old = uploaded(assets).model_copy(update={"stored_until": now() - timedelta(days=1)})
    assets.assets[ID] = old
    assets.remove(ID)
    assert assets.overdue == [old.key]
    assets.note_removed([old.key], now())
    assert assets.leftovers == {}


def test_a_new_name_changes_nothing_else() -> None:
    assets = record()
    before = uploaded(assets)
    assert assets.rename(ID, "logo") == assets.asset(ID) == before.model_copy(update={"name": "logo"})
    with pytest.raises(NotFound):
        assets.rename("b" * 64, "other")
