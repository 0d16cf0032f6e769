"""The web page at `/`: a shell from a template, and files that fetch everything else from the public API.

The page can do no more than any caller can: where API keys are needed, it asks for one. Its files have no secrets.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Response, redirect, render_template
from werkzeug.wrappers import Response as AnyResponse

from api.context import Context, context
from darkroom.owners import is_loopback
from darkroom.settings import Settings

FOLDER = Path(__file__).parent.parent / "web"

web_page = Blueprint(
    "web_page",
    __name__,
    template_folder=str(FOLDER / "templates"),
    static_folder=str(FOLDER / "static"),
    static_url_path="/web",
)


def is_on(settings: Settings) -> bool:
    """Whether `/` is the page. With `auto` it is, if only this machine reaches the API."""
    return settings.web_page == "on" or (settings.web_page == "auto" and is_loopback(settings.host))


@web_page.get("/")
def page() -> AnyResponse:
    """The shell. All its addresses are relative: a gateway in front may add a prefix."""
    ctx = context()
    if not is_on(ctx.settings):
        return redirect(f"{ctx.settings.base_url}/docs")
    response = Response(render_template("page.html"), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = content_security_policy(ctx)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def content_security_policy(ctx: Context) -> str:
    """Scripts and styles are our files only. Pictures may also come from the bucket, a CDN and embed links."""
    origins = result_origins(ctx)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self' blob: data: {origins}",
            f"connect-src 'self' {origins}",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def result_origins(ctx: Context) -> str:
    """The origins that results may come from, for a Content-Security-Policy: the bucket's, the API's and a CDN's."""
    addresses = (ctx.services.bucket.link("origin"), ctx.settings.base_url, str(ctx.settings.cdn_url or ""))
    return " ".join(sorted({origin for address in addresses if (origin := _origin(address))}))


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
