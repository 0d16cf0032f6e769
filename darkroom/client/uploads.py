"""The requests that upload a photo: through the API, by its URL, or straight to S3 with a form."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, cast
from urllib.parse import quote, urlencode

from darkroom.client.answers import BatchUploadJson, PhotoJson
from darkroom.client.api_requests import ApiRequests
from darkroom.client.client_errors import AnswerLost, ClientError
from darkroom.client.file_to_send import FileToSend, PhotoSource, opened, printable, require_regular
from darkroom.client.form_body import FormBody
from darkroom.client.sessions import Repeat
from darkroom.client.storage import send_form
from darkroom.client.upload_arguments import UploadArguments, fields_of, key_header, texts_of

PHOTOS = "/v1/photos"
OF_PHOTO = ("id", "status", "jobs")
"""Members by which a photo is recognized."""

SENDING = 120.0
"""Seconds to wait for the answer to an upload."""

ARRIVES = 10.0
"""Seconds to wait for a file when the storage's answer was lost."""

LONGEST_QUERY = 7_500
"""gunicorn accepts request lines of up to 8,190 bytes; a longer query becomes a form."""


def upload_one(api: ApiRequests, photo: PhotoSource, dedupe: bool | None, given: UploadArguments) -> PhotoJson:
    """Send a photo as the body of a request, or in a form when its fields are long."""
    fields = texts_of(fields_of(given, dedupe=dedupe))
    with opened(photo, given.get("filename")) as file:
        query = urlencode({"filename": file.name, **fields}, errors="replace")
        if len(query) > LONGEST_QUERY:
            return cast(PhotoJson, _send_form(api, [file], fields, given, OF_PHOTO))
        headers = {"Content-Type": "application/octet-stream"}  # the API detects the type itself
        return cast(PhotoJson, _post(api, f"{PHOTOS}?{query}", given, OF_PHOTO, data=file.content, headers=headers))


def upload_several(api: ApiRequests, photos: Sequence[PhotoSource], given: UploadArguments) -> BatchUploadJson:
    """Send photos in one request."""
    if not photos:
        raise ValueError("give at least one photo")
    fields = texts_of(fields_of(given))
    with ExitStack() as files:
        sent = [files.enter_context(opened(photo, given.get("filename"))) for photo in photos]
        answer = _send_form(api, sent, fields, given, ())
    if "photos" in answer:
        return cast(BatchUploadJson, answer)
    return {"batch": None, "photos": [answer], "links": {}}


def upload_by_url(api: ApiRequests, url: str, given: UploadArguments) -> PhotoJson:
    """Have a worker fetch the photo."""
    body = fields_of(given, url=url) | _named(given.get("filename"))
    return cast(PhotoJson, _post(api, PHOTOS, given, OF_PHOTO, json=body, headers={}))


def upload_by_form(api: ApiRequests, photo: PhotoSource, given: UploadArguments) -> PhotoJson:
    """Ask for a form, and send the photo with it to the storage.

    If the answer of the storage is lost, the photo's status shows whether the file has arrived.
    """
    require_regular(photo)
    with opened(photo, given.get("filename")) as file:
        body = fields_of(given) | {"filename": file.name, "size": file.size}
        registered = cast(
            PhotoJson,
            api.json(
                "POST",
                "/v1/uploads",
                *OF_PHOTO,
                repeat=Repeat.KEYED,
                lost="The photo was not sent: this request only asked for its upload form",
                json=body,
                headers=key_header(given.get("idempotency_key")),
            ),
        )
        if registered["status"] != "awaiting_upload":  # an earlier try with the same key has sent it
            return registered
        try:
            return _send_file(api, file, registered)
        except ClientError as error:
            error.photo_id = registered["id"]
            raise


def get_photo(api: ApiRequests, photo_id: str, wait: float = 0) -> PhotoJson:
    path = f"{photo_path(photo_id)}?wait={wait:g}"
    return cast(PhotoJson, api.json("GET", path, *OF_PHOTO, timeout=wait + 30))


def photo_path(photo_id: str) -> str:
    return f"{PHOTOS}/{quote(photo_id, safe='')}"


def _send_file(api: ApiRequests, file: FileToSend, photo: PhotoJson) -> PhotoJson:
    try:
        upload = cast(dict[str, Any], photo["upload"])
        url, form = str(upload["url"]), FormBody(upload["fields"], "file", [file])
    except (LookupError, TypeError) as error:
        raise api.not_darkroom() from error
    try:
        send_form(url, form, api.patience)
    except AnswerLost as error:
        now = get_photo(api, photo["id"], ARRIVES)
        if now["status"] == "awaiting_upload":
            raise AnswerLost(f"{error}. The file has not arrived yet") from error
        return now
    return photo


def _send_form(
    api: ApiRequests,
    files: Sequence[FileToSend],
    fields: dict[str, str],
    given: UploadArguments,
    members: tuple[str, ...],
) -> dict[str, Any]:
    form = FormBody(fields, "photo", files)
    return _post(api, PHOTOS, given, members, data=form, headers={"Content-Type": form.content_type})


def _post(
    api: ApiRequests, path: str, given: UploadArguments, members: tuple[str, ...], headers: dict[str, str], **body: Any
) -> dict[str, Any]:
    headers |= key_header(given.get("idempotency_key"))
    lost = f"Darkroom may have stored the photo; {api.url}/v1/photos lists all photos"
    return api.json("POST", path, *members, repeat=Repeat.KEYED, timeout=SENDING, lost=lost, headers=headers, **body)


def _named(filename: str | None) -> dict[str, str]:
    return {"filename": printable(filename)} if filename else {}
