"""/docs in Chromium: "Try it out" is pressed for every operation, and its answer is a documented success."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from darkroom.errors import AttemptsExhausted
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from tests.support.api import Api
from tests.support.stack import QUICK_LEASE, Stack
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of Playwright

ENDLESS = {"followAll": "the answer goes on as long as the caller listens, and the page shows only what has ended"}
"""Operations of which the test checks that the answer begins, with the reason."""

CUBE = b"LUT_3D_SIZE 2\n" + b"".join(b"%d %d %d\n" % (i & 1, i >> 1 & 1, i >> 2) for i in range(8))


@dataclass(frozen=True)
class Form:
    """What a person enters for an operation. Everything else stays as the page proposes it."""

    parameters: dict[str, str] = field(default_factory=dict)
    body: Any = None
    file: Path | None = None


@dataclass(frozen=True)
class Service:
    """An API with a worker, and photos in all states."""

    api: Api
    stack: Stack
    picture: bytes
    folder: Path

    def photo(self, *jobs: dict[str, Any]) -> dict[str, Any]:
        """A photo whose jobs have ended."""
        uploaded = self.api.upload_photo(self.picture, jobs=list(jobs))
        found: dict[str, Any] = self.api.get(f"/v1/photos/{uploaded['id']}?wait=60").json()
        return found

    def dead_letter(self) -> dict[str, str]:
        """The ids of a photo whose order is a dead letter."""
        photo = self.stack.record(self.picture, [{"type": "resize", "width": 50}])
        self.stack.services.table.create(photo)
        self.stack.store(photo, self.picture)
        (order,) = photo.orders

        def bury(record: PhotoRecord) -> None:
            record.bury(record.claim(order, 5, 90, 300), AttemptsExhausted("given up after 5 attempts"))

        self.api.change_record(photo.id, bury)
        return {"photo_id": photo.id, "order_id": order}

    def multipart(self) -> tuple[str, str]:
        """The id of a multipart upload that has one part, and the part's ETag."""
        upload = self.api.post("/v1/s3/multipart", json={"filename": "large.jpg"}).json()["uploadId"]
        url = self.api.get(f"/v1/s3/multipart/{upload}/1").json()["url"]
        return upload, requests.put(url, data=self.picture, timeout=PATIENCE).headers["ETag"]

    def file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path


@pytest.fixture(scope="module")
def service(deploy: Any, picture: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("docs-page")
    variables = {"DARKROOM_SIGNING_KEYS": "a-signing-key-of-32-characters-or-more"}
    with contextlib.ExitStack() as exits:
        deployment = deploy(**QUICK_LEASE, **variables)
        stack = Stack(Services.connect(deployment.settings), deployment.environ_of("worker"), folder, exits)
        stack.worker()
        api = Api(deployment, folder / "api.log", variables, payload="")
        exits.callback(api.stop)
        yield Service(api, stack, picture, folder)


def forms(service: Service) -> dict[str, Form]:
    """What to enter for each operation, in the order in which the test tries them: some remove what others read."""
    small, facts = {"type": "resize", "width": 50, "name": "small"}, {"type": "metadata", "name": "facts"}
    photo = service.photo(small, facts)
    failed = service.photo({"type": "resize", "width": 50, "page": 9})
    removed = service.photo(facts)
    batch = service.api.upload(("a.jpg", service.picture), ("b.jpg", service.picture), jobs=[small]).json()["batch"]
    for uploaded in service.api.get(f"/v1/batches/{batch}").json()["photos"]:
        service.api.get(f"/v1/photos/{uploaded['id']}?wait=60")
    awaited = service.api.post("/v1/uploads", json={"preset": "web"}).json()["id"]
    (sent, etag), (begun, _) = service.multipart(), service.multipart()
    letters = [service.dead_letter() for _ in range(4)]
    asset = hashlib.sha256(CUBE).hexdigest()
    of_photo = Form({"photo_id": photo["id"]})
    of_job = Form({"photo_id": photo["id"], "job_id": photo["jobs"][0]["id"]})
    of_batch, of_asset = Form({"batch_id": batch}), Form({"asset_id": asset})
    return {
        "isAlive": Form(),
        "isReady": Form(),
        "listOperations": Form(),
        "getQueue": Form(),
        "uploadPhotos": Form(file=service.file("cat.jpg", service.picture)),
        "listPhotos": Form(),
        "getPhoto": of_photo,
        "getOriginal": of_photo,
        "listJobs": of_photo,
        "addJobs": of_photo,
        "getJob": of_job,
        "getResult": of_job,
        "getNamedResult": Form({"photo_id": photo["id"], "name": "facts"}),
        "getEmbedded": Form({"link": photo["jobs"][0]["links"]["embed"].rpartition("/")[2]}),
        "getReceipt": of_job,
        "getPhotoArchive": of_photo,
        "getBatch": of_batch,
        "getBatchArchive": of_batch,
        "getArchive": Form({"photo": photo["id"]}),
        "followPhoto": Form({"photo_id": removed["id"]}),
        "followAll": Form(),
        "retryJob": Form({"photo_id": failed["id"], "job_id": failed["jobs"][0]["id"]}),
        "uploadDirectly": Form(),
        "cancelPhoto": Form({"photo_id": awaited}),
        "createMultipartUpload": Form(),
        "signPart": Form({"photo_id": sent, "part_number": "2"}),
        "listParts": Form({"photo_id": sent}),
        "completeMultipartUpload": Form({"photo_id": sent}, body={"parts": [{"PartNumber": 1, "ETag": etag}]}),
        "abortMultipartUpload": Form({"photo_id": begun}),
        "makeUploadToken": Form(),
        "addAsset": Form(file=service.file("look.cube", CUBE)),
        "listAssets": Form(),
        "getAsset": of_asset,
        "getAssetFile": of_asset,
        "removeAsset": of_asset,
        "listDeadLetters": Form(),
        "getDeadLetter": Form(letters[0]),
        "redriveDeadLetter": Form(letters[0]),
        "purgeDeadLetter": Form(letters[1]),
        "redriveDeadLetters": Form(body={"ids": ["{photo_id}/{order_id}".format(**letters[2])]}),
        "purgeDeadLetters": Form({"all": "true"}),
        "deletePhoto": Form({"photo_id": removed["id"]}),
    }


def fill(block: Locator, form: Form) -> None:
    for name, value in form.parameters.items():
        row = block.locator(f'tr[data-param-name="{name}"]')
        if row.locator(".json-schema-form-item-add").count():
            row.locator(".json-schema-form-item-add").click()
        if row.locator("select").count():
            row.locator("select").select_option(value)
        else:
            row.locator("input").first.fill(value)
    if form.body is not None:
        block.locator(".body-param__text").fill(json.dumps(form.body))
    if form.file:
        block.locator('input[type="file"]').set_input_files(form.file)


def opened(page: Page, service: Service, operation: dict[str, Any]) -> Locator:
    """Open the page at an operation, and press "Try it out". A page that stays gets slower with each operation."""
    from playwright.sync_api import TimeoutError as PlaywrightTimeout

    tag, name = operation["tags"][0].replace(" ", "_"), operation["operationId"]
    block = page.locator(f"#operations-{tag}-{name}")
    for seconds in (45, PATIENCE):  # on a busy machine a page sometimes draws nothing, and is opened once more
        page.goto("about:blank")
        page.goto(f"{service.api.url}/docs#/{tag}/{name}")
        with contextlib.suppress(PlaywrightTimeout):
            block.get_by_role("button", name="Try it out").click(timeout=seconds * 1000)
            return block
    raise AssertionError(f"{name} cannot be tried")


def try_out(page: Page, block: Locator, name: str, form: Form) -> str:
    """Execute an operation, and return the status that the page shows."""
    fill(block, form)
    execute = block.get_by_role("button", name="Execute")
    if name in ENDLESS:
        with page.expect_response(lambda response: "/v1/events" in response.url) as answer:
            execute.click()
        return str(answer.value.status)
    execute.click()
    return block.locator(".live-responses-table tbody .response-col_status").first.inner_text().split()[0]


def successes(operation: dict[str, Any]) -> set[str]:
    """The statuses of success that the document names. A browser follows a redirect to a file, which is a 200."""
    found = {status for status in operation["responses"] if status < "400"}
    return found - {"302"} | ({"200"} if "302" in found else set())


@pytest.mark.timeout(900)
def test_try_it_out_works_for_every_operation(service: Service, browser: Browser) -> None:
    document = service.api.get("/openapi.json").json()
    operations = {
        operation["operationId"]: operation for path in document["paths"].values() for operation in path.values()
    }
    entered = forms(service)
    assert entered.keys() == operations.keys()
    complaints: list[str] = []
    with contextlib.closing(browser.new_page()) as page:
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None)

        seen = {
            name: try_out(page, opened(page, service, operations[name]), name, form) for name, form in entered.items()
        }

    assert {name: status for name, status in seen.items() if status not in successes(operations[name])} == {}
    assert complaints == []


def test_jobs_are_entered_as_text(service: Service, browser: Browser) -> None:
    with contextlib.closing(browser.new_page()) as page:
        page.set_default_timeout(PATIENCE * 1000)
        block = opened(page, service, {"tags": ["photos"], "operationId": "uploadPhotos"})
        field = block.locator('tr[data-property-name="jobs"] input').first

        assert field.get_attribute("type") == "text"
        assert json.loads(field.input_value())[0] == {"type": "resize", "width": 800}
        assert block.locator('input[type="file"]').count() == 1
