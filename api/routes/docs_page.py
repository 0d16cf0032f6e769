"""The OpenAPI document, and the page at /docs: Swagger UI from a Python package, so that it works offline."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import flask_openapi3_swagger  # type: ignore[import-untyped]
from flask import Blueprint, Response, render_template_string
from flask_openapi3.openapi import OpenAPI

from api.access.auth import describe
from api.context import context
from api.openapi.document import complete
from api.routes.web_page import result_origins

ASSETS = Path(flask_openapi3_swagger.__file__).parent / "templates" / "swagger"

# The URLs are relative, because a gateway in front may add a prefix. Colours in a large body, such as that of
# /v1/operations, take a browser seconds.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Darkroom API</title>
<link rel="icon" href="docs/images/swagger.svg">
<link rel="stylesheet" href="docs/css/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="docs/js/swagger-ui-bundle.js"></script>
<script nonce="{{ nonce }}">
// Swagger UI's own function parses the whole document each time that an operation is opened, which takes seconds.
async function resolveSubtree(document, path) {
  const at = (part, key) => part?.[key];
  const target = (ref) => ref.slice(2).split("/").map((key) => key.replaceAll("~1", "/")).reduce(at, document);
  const inlined = (part, within) => {
    if (Array.isArray(part)) return part.map((item) => inlined(item, within));
    if (part === null || typeof part !== "object") return part;
    const ref = part.$ref;
    if (typeof ref !== "string" || within.includes(ref))
      return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, inlined(value, within)]));
    return { ...inlined(target(ref), [...within, ref]), $$ref: ref };
  };
  return { spec: inlined(path.reduce(at, document), []), errors: [] };
}
SwaggerUIBundle({
  url: new URL("openapi.json", window.location.href).href,
  dom_id: "#page",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  syntaxHighlight: { activated: false },
  plugins: [() => ({ fn: { resolveSubtree } })],
});
</script>
</body>
</html>
"""

docs = Blueprint("docs", __name__, static_folder=ASSETS, static_url_path="/docs")


@docs.get("/docs")
def page() -> Response:
    nonce, origins = secrets.token_urlsafe(16), result_origins(context())  # "Try it out" follows redirects to results
    response = Response(render_template_string(PAGE, nonce=nonce), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = (
        f"default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
        f"connect-src 'self' {origins}; img-src 'self' blob: data: {origins}; frame-ancestors 'none'"
    )
    return response


def openapi_json(app: OpenAPI, keys_needed: bool) -> Callable[[], Response]:
    """A view of the app's OpenAPI document. The first request makes it: that takes as long as many other requests."""

    @cache
    def document() -> bytes:
        written: dict[str, Any] = app.api_doc
        complete(written)
        describe(written, keys_needed)
        return json.dumps(written).encode()  # Flask's own JSON would sort the keys

    return lambda: Response(document(), content_type="application/json")
