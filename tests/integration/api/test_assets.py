"""Assets over HTTP: upload, list, get, download, remove; and what jobs may name."""

from __future__ import annotations

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from api.context import Context
from api.uploads.asset_intake import store_asset
from api.uploads.spool import Spool
from api.waits import Waits
from darkroom.errors import Unavailable
from darkroom.jobs.asset_ids import EXAMPLE_LUT, EXAMPLE_PICTURE
from darkroom.owners import hash_of, new_key
from darkroom.presets import read_presets
from darkroom.record.owner_assets import Asset, OwnerAssets
from tests.support.api import Api
from tests.support.example_assets import EXAMPLE_ASSETS

PICTURE, LUT = EXAMPLE_ASSETS[EXAMPLE_PICTURE], EXAMPLE_ASSETS[EXAMPLE_LUT]

ADDRESS = "/v1/assets"

UNKNOWN = "0" * 64


def saved(file_format: str, size: tuple[int, int] = (6, 4), colour: str = "red") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, file_format)
    return data.getvalue()


def add(api: Api, file: bytes, **more: Any) -> requests.Response:
    headers = {"Content-Type": "application/octet-stream"} | more.pop("headers", {})
    return api.post(ADDRESS, data=file, headers=headers, **more)


def added(api: Api, file: bytes, **more: Any) -> dict[str, Any]:
    answer = add(api, file, **more)
    assert answer.status_code in (200, 201), answer.text
    asset: dict[str, Any] = answer.json()
    return asset


def own(api: Api, owner: str = "default") -> OwnerAssets:
    return api.services.assets.get(owner)


def stored_keys(api: Api, owner: str = "default") -> list[str]:
    """The keys of all objects of an owner's assets."""
    pages = api.services.clients.s3.get_paginator("list_objects_v2")
    found = [
        item["Key"]
        for page in pages.paginate(Bucket=api.settings.bucket, Prefix="assets/")
        for item in page.get("Contents", [])
    ]
    return [key for key in found if key.split("/")[2] == owner]


def code(answer: requests.Response) -> str:
    return str(answer.json()["type"]).rpartition(":")[2]


# --- upload ---------------------------------------------------------------------------------------------------------


def test_a_picture_is_an_asset_under_the_hash_of_its_file(api: Api) -> None:
    answer = add(api, PICTURE, params={"name": "Logo"})
    assert answer.status_code == 201
    asset = answer.json()
    created_at, links = asset.pop("created_at"), asset.pop("links")
    assert asset == {
        "id": hashlib.sha256(PICTURE).hexdigest(),
        "kind": "picture",
        "name": "Logo",
        "content_type": "image/png",
        "size": len(PICTURE),
        "width": 8,
        "height": 8,
        "dimensions": None,
        "points": None,
    }
    assert re.fullmatch(r"20\d\d-.*Z", created_at)
    assert answer.headers["Location"] == links["self"]
    assert api.get(links["self"]).json() == answer.json()


def test_a_lut_is_an_asset_in_a_form(api: Api) -> None:
    answer = api.post(ADDRESS, files={"asset": ("warm.cube", LUT)}, data={"name": "Warm"})
    assert answer.status_code == 201, answer.text
    asset = answer.json()
    assert (asset["id"], asset["kind"], asset["name"]) == (EXAMPLE_LUT, "lut", "Warm")
    assert (asset["width"], asset["dimensions"], asset["points"]) == (None, 3, 2)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
def test_these_pictures_are_taken(api: Api, file_format: str) -> None:
    asset = added(api, saved(file_format))
    assert (asset["content_type"], asset["width"], asset["height"]) == (f"image/{file_format.lower()}", 6, 4)


def test_the_same_file_again_is_the_same_asset_and_may_get_another_name(api: Api) -> None:
    file = saved("PNG", colour="teal")
    first = added(api, file, params={"name": "one"})
    for name, expected in (({}, "one"), ({"name": "two"}, "two"), ({}, "two")):
        answer = add(api, file, params=name)
        assert answer.status_code == 200
        assert answer.json() == first | {"name": expected}
    assert [key.split("/")[3] for key in stored_keys(api)].count(first["id"]) == 1
    assert not any(first["id"] in key for key in own(api).leftovers)


def test_the_file_is_downloaded_from_storage_under_its_name(api: Api) -> None:
    asset = added(api, PICTURE, params={"name": "Logo"})
    answer = api.get(asset["links"]["file"])
    assert answer.status_code == 302
    file = requests.get(answer.headers["Location"], timeout=60)
    assert (file.content, file.headers["Content-Type"]) == (PICTURE, "image/png")
    assert 'filename="Logo.png"' in file.headers["Content-Disposition"]


REFUSED: dict[str, tuple[bytes, int, str, str]] = {
    "nothing": (b"", 415, "unsupported_asset", "the body is empty"),
    "text": (b"hello", 415, "unsupported_asset", "an asset is a picture"),
    "a TIFF": (saved("TIFF"), 415, "unsupported_asset", "This is a TIFF"),
    "a PNG that is cut short": (PICTURE[:20], 422, "unreadable_asset", "damaged or cut short"),
    "a LUT with a wrong line": (LUT.replace(b"0.85\n", b"red\n", 1), 422, "unreadable_asset", "line"),
    "a LUT that is cut short": (LUT[:-20], 422, "unreadable_asset", "This .cube file cannot be used"),
    "too many pixels": (saved("PNG", (101, 100)), 422, "too_many_pixels", "The picture has 10,100 pixels"),
    "too many bytes": (b"x" * 2001, 413, "too_large", "2,000 bytes"),
}


@pytest.fixture(scope="module")
def small(start_api: Any) -> Api:
    return start_api(DARKROOM_MAX_ASSETS="2", DARKROOM_MAX_ASSET_BYTES="2000", DARKROOM_MAX_ASSET_PIXELS="10000")


@pytest.mark.parametrize("form", [False, True], ids=["body", "form"])
@pytest.mark.parametrize("name", REFUSED)
def test_other_files_are_refused_with_the_reason(small: Api, name: str, form: bool) -> None:
    file, status, error, words = REFUSED[name]
    answer = small.post(ADDRESS, files={"asset": ("a", file)}) if form else add(small, file)
    if form and not file:
        words = "an asset is a picture"
    assert (answer.status_code, code(answer)) == (status, error), answer.text
    assert words in answer.json()["detail"]
    assert own(small).assets == {}
    assert stored_keys(small) == []


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"files": {"logo": ("a", PICTURE)}}, [("logo", "extra_forbidden")]),
        ({"files": {"name": (None, "x")}}, [("asset", "missing")]),
        ({"files": [("asset", ("a", PICTURE)), ("asset", ("b", PICTURE))]}, [("asset", "too_many_files")]),
        ({"files": {"asset": (None, "text")}}, [("asset", "not_a_file")]),
        ({"files": {"asset": ("a", PICTURE)}, "data": {"nmae": "x"}}, [("nmae", "extra_forbidden")]),
        ({"data": PICTURE, "params": {"name": "x" * 101}}, [("name", "string_too_long")]),
        ({"data": PICTURE, "params": {"name": "\0"}}, [("name", "string_characters")]),
    ],
)
def test_faults_of_a_request_are_named(api: Api, request_: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    if isinstance(request_.get("data"), bytes):
        request_ = request_ | {"headers": {"Content-Type": "image/png"}}
    answer = api.post(ADDRESS, **request_)
    assert answer.status_code == 422, answer.text
    assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == expected


def test_a_body_of_another_type_is_refused(api: Api) -> None:
    answer = add(api, LUT, headers={"Content-Type": "application/json"})
    assert (answer.status_code, code(answer)) == (415, "unsupported_media_type")


def test_an_owner_has_at_most_so_many_assets(small: Api) -> None:
    files = [saved("PNG", colour=colour) for colour in ("red", "green", "blue")]
    assets = [added(small, file) for file in files[:2]]
    assert small.get(ADDRESS).json()["most"] == 2
    refused = add(small, files[2])
    assert (refused.status_code, code(refused)) == (409, "asset_limit_reached")
    assert add(small, files[0]).status_code == 200, "an asset that is there already is none more"
    for asset in assets:
        assert small.ask("DELETE", asset["links"]["self"]).status_code == 204


# --- list and remove ------------------------------------------------------------------------------------------------


def test_the_list_has_the_newest_first(start_api: Any) -> None:
    fresh = start_api()
    assert fresh.get(ADDRESS).json()["assets"] == []
    assets = [added(fresh, file) for file in (PICTURE, LUT)]
    assert fresh.get(ADDRESS).json()["assets"] == assets[::-1]


def test_a_removed_asset_is_gone_with_its_file(api: Api) -> None:
    file = saved("PNG", colour="brown")
    asset = added(api, file)
    link = api.get(asset["links"]["file"]).headers["Location"]
    assert requests.get(link, timeout=60).status_code == 200
    answer = api.ask("DELETE", asset["links"]["self"])
    assert (answer.status_code, answer.content) == (204, b"")
    for method, address in (
        ("GET", asset["links"]["self"]),
        ("GET", asset["links"]["file"]),
        ("DELETE", asset["links"]["self"]),
    ):
        assert api.ask(method, address).status_code == 404
    assert requests.get(link, timeout=60).status_code == 404
    assert asset["id"] not in {key.split("/")[3] for key in stored_keys(api)}
    assert added(api, file)["id"] == asset["id"]


def test_an_id_that_is_none_is_not_found(api: Api) -> None:
    for wrong in (UNKNOWN, "x", "0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88", EXAMPLE_PICTURE.upper()):
        answer = api.get(f"{ADDRESS}/{wrong}")
        assert answer.status_code == 404
        assert f"there is no asset {wrong}" in answer.json()["detail"]


def test_an_asset_whose_object_somebody_has_removed_can_be_uploaded_again(api: Api) -> None:
    file = saved("PNG", colour="pink")
    asset = added(api, file, params={"name": "kept"})
    (key,) = (key for key in stored_keys(api) if asset["id"] in key)
    api.services.bucket.remove([key])
    again = add(api, file)
    assert (again.status_code, again.json()["name"]) == (200, "kept")
    assert requests.get(api.get(asset["links"]["file"]).headers["Location"], timeout=60).content == file


# --- owners ---------------------------------------------------------------------------------------------------------


def test_owners_see_and_name_only_their_own_assets(start_api: Any) -> None:
    alice, bob = new_key(), new_key()
    keyed = start_api(DARKROOM_API_KEYS=f"alice:{hash_of(alice)} bob:{hash_of(bob)}", DARKROOM_RATE_LIMIT="off")
    of = {name: {"Authorization": f"Bearer {key}"} for name, key in (("alice", alice), ("bob", bob))}
    asset = added(keyed, PICTURE, headers=of["alice"])
    assert keyed.get(ADDRESS, headers=of["bob"]).json()["assets"] == []
    unknown = keyed.get(f"{ADDRESS}/{UNKNOWN}", headers=of["bob"])
    for method, address in (("GET", ""), ("GET", "/file"), ("DELETE", "")):
        answer = keyed.ask(method, f"{ADDRESS}/{asset['id']}{address}", headers=of["bob"])
        assert (answer.status_code, answer.json()["detail"]) == (
            404,
            unknown.json()["detail"].replace(UNKNOWN, asset["id"]),
        )
    assert added(keyed, PICTURE, headers=of["bob"])["id"] == asset["id"]
    assert keyed.ask("DELETE", f"{ADDRESS}/{asset['id']}", headers=of["bob"]).status_code == 204
    kept = keyed.get(f"{ADDRESS}/{asset['id']}/file", headers=of["alice"]).headers["Location"]
    assert requests.get(kept, timeout=60).content == PICTURE


# --- jobs that name assets ------------------------------------------------------------------------------------------


def marked(asset_id: str) -> dict[str, Any]:
    return {"type": "watermark", "image": asset_id}


def lut(asset_id: str) -> dict[str, Any]:
    return {"type": "filter", "filter": "lut", "asset": asset_id}


def answers_to(api: Api, photo: dict[str, Any], picture: bytes, jobs: list[dict[str, Any]]) -> list[requests.Response]:
    """The answers to every request that asks for these jobs."""
    return [
        api.upload(("a.jpg", picture), jobs=jobs),
        api.post("/v1/photos", params={"jobs": json.dumps(jobs)}, data=picture, headers={"Content-Type": "image/jpeg"}),
        api.post(photo["links"]["jobs"], json={"jobs": jobs}),
        api.post("/v1/uploads", json={"jobs": jobs}),
    ]


def test_jobs_may_name_only_assets_that_there_are(api: Api, picture: bytes) -> None:
    photo = api.upload_photo(picture)
    (logo, table) = (added(api, file)["id"] for file in (PICTURE, LUT))
    good = [marked(logo), {"type": "pipeline", "steps": [lut(table), marked(logo)]}]
    assert [answer.status_code for answer in answers_to(api, photo, picture, good)] == [202, 202, 202, 201]
    bad = [
        marked(UNKNOWN),
        {"type": "pipeline", "steps": [{"type": "resize", "width": 5}, marked(table), lut(logo)]},
        marked(logo),
    ]
    before = len(api.record(photo["id"]).jobs)
    for answer in answers_to(api, photo, picture, bad):
        assert (answer.status_code, code(answer)) == (422, "invalid_request"), answer.text
        faults = {one["field"]: (one["code"], one["detail"]) for one in answer.json()["errors"]}
        assert faults == {
            "jobs[0].image": ("unknown_asset", f"you have no asset {UNKNOWN}; POST /v1/assets uploads one"),
            "jobs[1].steps[1].image": ("wrong_asset", f"asset {table} is a LUT; this needs a picture"),
            "jobs[1].steps[2].asset": ("wrong_asset", f"asset {logo} is a picture; this needs a LUT"),
        }
    assert len(api.record(photo["id"]).jobs) == before


def test_a_preset_names_assets_that_each_of_its_owners_needs(start_api: Any, picture: bytes, tmp_path: Path) -> None:
    presets = tmp_path / "presets.toml"
    presets.write_text(
        f'[stamped]\njobs = [{{ type = "metadata" }}, {{ type = "watermark", image = "{EXAMPLE_PICTURE}" }}]\n'
    )
    api = start_api(DARKROOM_PRESETS_FILE=str(presets), DARKROOM_DEFAULT_PRESET="stamped")
    for fields in ({}, {"preset": "stamped"}):
        answer = api.upload(("a.jpg", picture), **fields)
        assert answer.status_code == 422, answer.text
        (fault,) = answer.json()["errors"]
        assert (fault["field"], fault["code"]) == ("preset", "unknown_asset")
        assert fault["detail"].startswith(f"jobs[1].image of preset stamped: you have no asset {EXAMPLE_PICTURE}")
    added(api, PICTURE)
    assert api.upload(("a.jpg", picture)).status_code == 202


def test_the_jobs_of_one_request_name_few_assets(api: Api, picture: bytes) -> None:
    answer = api.upload(("a.jpg", picture), jobs=[marked(f"{number:064x}") for number in range(11)])
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["field"], fault["code"]) == ("jobs", "too_many_assets")
    assert fault["detail"] == "name 11 different assets; jobs that are asked for together may name at most 10"


# --- uploads that do not end ----------------------------------------------------------------------------------------


def test_an_upload_that_s3_refuses_leaves_its_key_to_the_sweep_and_can_be_repeated(
    start_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = start_api()
    ctx = Context(api.settings, api.services, read_presets(api.settings), Waits(4, 0.5))
    file = saved("PNG", colour="gold")

    def store() -> tuple[Asset, bool]:
        with Spool.create(api.settings.spool_dir, 10_000) as spool:
            spool.write(file)
            spool.seek(0)
            return store_asset(ctx, "default", spool, "x")

    def refuse(*_: object) -> None:
        raise Unavailable("S3 is down")

    with monkeypatch.context() as broken:
        broken.setattr(api.services.bucket, "put", refuse)
        with pytest.raises(Unavailable):
            store()
    before = own(api)
    assert (before.assets, len(before.leftovers), before.overdue) == ({}, 1, [])
    asset, new = store()
    assert new
    assert own(api).asset(asset.id) == asset
    assert own(api).leftovers == before.leftovers
