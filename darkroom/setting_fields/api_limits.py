"""The settings of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    field_validator,
)

from darkroom.setting_fields.group import MIB, PROJECT, BaseUrl, Group, listed_as_is
from darkroom.setting_fields.origins import Origins

SigningKey = Annotated[str, Field(min_length=32, max_length=200)]


class ApiSettings(Group):
    """API"""

    auth: Literal["keys", "off", "auto"] | None = Field(
        None,
        description="keys: callers need an API key. off: every caller is the owner `default` and may do everything. "
        "auto: keys if there are any, else off. Default: keys if there are any; else off if the API listens on a "
        "loopback address only; else the API does not start. docker compose sets auto, and publishes its ports on "
        "127.0.0.1 only.",
    )
    api_keys: str | None = Field(
        None,
        repr=False,
        description="API keys as owner:hash, separated by spaces or commas; an owner may have several. "
        "`darkroom key OWNER` makes one. DARKROOM_API_KEY is another variable: the key itself. "
        "Default: no keys.",
    )
    owners_file: Path | None = Field(
        None,
        description='TOML file with API keys and webhook addresses of owners: [alice] with keys = ["<hash>", ...] and '
        'callback_url = "https://...". Without any keys, only [default] has an effect. docker compose needs a path '
        "beside docker-compose.yml, such as ./owners.toml, which the container's user can read. Default: no file.",
    )
    signing_keys: Annotated[tuple[SigningKey, ...], BeforeValidator(listed_as_is)] = Field(
        (),
        repr=False,
        description="Secrets that sign upload tokens, separated by commas, newest first, each of 32 or more "
        "characters: `openssl rand -hex 32` makes one. The first one signs, all are accepted: to change it, put a new "
        "one in front, and remove the old one when its tokens have expired. All API processes and machines need the "
        "same. Default: where callers need API keys, no tokens; elsewhere a key that everybody knows, because there is "
        "nothing to protect.",
    )
    rate_limit: str = Field(
        "600/minute",
        description="Requests that one API key may make, such as 600/minute or 20/second; off: no limit. "
        "It holds where there are API keys, for one machine: each API process counts, and allows, its share of them, "
        "rounded up.",
    )
    upload_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Most uploads of one owner at the same time, as a share of the API's threads, where there are API "
        "keys. An upload that still arrives counts, although it holds no thread.",
    )
    upload_bytes_per_hour: int | None = Field(
        None,
        ge=1,
        description="Bytes that one owner may upload in an hour to one machine, where there are API keys. Each API "
        "process counts, and allows, its share of them, rounded up. Default: no limit.",
    )
    cors_origins: Origins = Field(
        (),
        description="Origins of web pages that may call the API and the bucket from a browser, separated by commas: "
        "https://photos.example.com, https://*.example.com for all of its subdomains, or * for all pages. "
        "`darkroom provision` sets the bucket's rule. Default: none but the API's own pages.",
    )
    web_page: Literal["auto", "on", "off"] = Field(
        "auto",
        description="The web page at /. auto: on if the API listens on a loopback address only. off: / redirects to "
        "/docs. Where callers need an API key, the page asks for one. docker compose sets on, and publishes its ports "
        "on 127.0.0.1 only.",
    )
    host: str = Field("127.0.0.1", description="Address that the API listens on.")
    port: int = Field(8080, ge=1, le=65535, description="Port that the API listens on.")
    api_processes: int = Field(2, ge=1, le=64, description="gunicorn worker processes of the API.")
    api_threads: int = Field(16, ge=2, le=256, description="Threads of each API process; each serves one request.")
    connections_per_address: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Connections that one client address may have to one machine at a time; each API process allows "
        "its share of them, rounded up. An IPv6 address counts together with its /64 network. 0: no limit. Set it "
        "only where callers connect to the API directly: behind a proxy or load balancer, and under docker compose, "
        "all callers have the same address.",
    )
    silence: int = Field(
        60,
        ge=1,
        le=3600,
        description="Seconds without a byte after which the API ends the upload of a photo. The head of a request, and "
        "a body that is not an upload, have 10 seconds in all.",
    )
    public_url: BaseUrl | None = Field(
        None, description="Prefix of every link, such as https://photos.example.com. Default: links are relative."
    )
    presets_file: Path = Field(
        PROJECT / "presets.toml",
        description="TOML file with named lists of jobs. docker compose needs a path beside docker-compose.yml. "
        "Default: the presets.toml that comes with Darkroom.",
    )
    default_preset: str = Field("web", description="Preset for an upload that names no jobs.")
    max_upload_bytes: int = Field(64 * MIB, ge=1024, description="Largest photo, in bytes; 67108864 is 64 MiB.")
    max_request_bytes: int = Field(
        512 * MIB,
        ge=1024,
        description="Largest request, in bytes; 536870912 is 512 MiB. A request can hold several photos.",
    )
    max_photos: int = Field(50, ge=1, le=1000, description="Most photos in one request.")
    max_wait: float = Field(60, ge=0, le=300, description="Longest ?wait= of a request, in seconds.")
    wait_share: float = Field(
        0.5, ge=0, le=1, description="Share of the API's threads that requests with ?wait= may use."
    )
    max_listeners: int = Field(
        1000,
        ge=0,
        le=100_000,
        description="Most callers who listen to live events in one API process. Each holds a connection, and no "
        "thread.",
    )
    listener_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Most listeners of one owner in an API process, as a share of DARKROOM_MAX_LISTENERS, where there "
        "are API keys.",
    )
    idempotency_hours: int = Field(
        24, ge=1, le=336, description="Hours for which the API remembers an Idempotency-Key."
    )
    upload_ttl: int = Field(
        3600,
        ge=60,
        le=518_400,
        description="Seconds for which the form of a direct upload is valid. It ends earlier if the credentials that "
        "signed it expire: those of a role are renewed 15 minutes before.",
    )
    embed_ttl: int = Field(
        30 * 86_400,
        ge=3600,
        le=3_650 * 86_400,
        description="Seconds for which an embed link stays the same; it works for as long again. 2592000 are 30 days.",
    )
    public_owners: Annotated[tuple[str, ...], BeforeValidator(listed_as_is)] = Field(
        (),
        description="Owners who may upload photos as `public`, separated by commas, or * for all: the embed links of "
        "such photos never expire. Default: none.",
    )
    cdn_url: BaseUrl | None = Field(
        None,
        description="Address of a CDN in front of the bucket, such as https://d111111abcdef8.cloudfront.net: embed "
        "links lead there. Default: none; embed links lead to the API, which redirects to the bucket.",
    )
    cdn_distribution: str | None = Field(
        None,
        pattern="^[A-Z0-9]+$",
        description="Id of the CloudFront distribution that `darkroom provision` lets read the bucket's results. "
        "Default: none.",
    )
    cdn_key_id: str | None = Field(
        None,
        description="Id of the public key with which CloudFront checks signed addresses. It needs the extra cdn. "
        "Default: addresses are not signed, and the CDN shows every result to everyone who knows its address.",
    )
    cdn_private_key_file: Path | None = Field(
        None, description="PEM file with the private RSA key that belongs to DARKROOM_CDN_KEY_ID. Default: none."
    )
    link_ttl: int = Field(
        3600,
        ge=60,
        le=604_800,
        description="Seconds for which a presigned URL is valid. It ends earlier if the credentials that signed it "
        "expire.",
    )

    @field_validator("rate_limit")
    @classmethod
    def _rate(cls, text: str) -> str:
        from limits import parse_many  # slow to import, and most processes never need it

        if text == "off":
            return text
        try:
            good = all(limit.amount > 0 for limit in parse_many(text))
        except ValueError:
            good = False
        if not good:
            raise ValueError("expected a rate such as 600/minute or 20/second, or off for no limit")
        return text
