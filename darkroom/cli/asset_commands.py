"""`darkroom asset`: upload, list and remove the files that jobs name. It talks to the API."""

from __future__ import annotations

import json
from pathlib import Path

import click

from darkroom.cli.api_connection import connected
from darkroom.cli.options import api_key_option, url_option
from darkroom.cli.terminal import say, say_table
from darkroom.errors import DarkroomError


@click.group()
def asset() -> None:
    """Files that jobs use besides their photo: logos and LUTs.

    \b
    Examples:

    \b
      darkroom asset add logo.png
      darkroom asset list
    """


@asset.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", metavar="TEXT", help="A name for lists. Default: the name of the file.")
@url_option
@api_key_option
def add(files: tuple[Path, ...], name: str | None, url: str, api_key: str | None) -> None:
    """Upload FILES and print the id of each.

    A file is a picture (PNG, JPEG, WebP, GIF, AVIF) or a LUT (.cube). Its id is the SHA-256 of its content, so the
    same file is the same asset.

    \b
    Example:
      id=$(darkroom asset add logo.png)
      darkroom upload photo.jpg --jobs '[{"type": "watermark", "image": "'$id'"}]'
    """
    if name is not None and len(files) > 1:
        raise click.UsageError("--name is for one file")
    from darkroom.cli.advice import advised
    from darkroom.client import ClientError

    with connected(url, api_key, patience=6) as client:
        for file in files:
            try:
                say(client.add_asset(file, file.name if name is None else name)["id"])
            except ClientError as error:
                raise DarkroomError(f"{file}: {advised(error)}") from error


@asset.command("list")
@url_option
@api_key_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
def list_assets(url: str, api_key: str | None, as_json: bool) -> None:
    """List your assets, newest first."""
    with connected(url, api_key) as client:
        found = client.assets()
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    rows = []
    for one in found["assets"]:
        size = (
            f"{one['width']}x{one['height']}" if one["kind"] == "picture" else f"{one['dimensions']}D {one['points']}"
        )
        rows.append([one["id"], one["name"], one["kind"], size, f"{one['size'] / 1000:,.1f} KB"])
    say_table([["ID", "NAME", "KIND", "SIZE", "FILE"], *rows])
    say(f"\n{len(rows)} of at most {found['most']}")


@asset.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@url_option
@api_key_option
def remove(ids: tuple[str, ...], url: str, api_key: str | None) -> None:
    """Remove assets by their IDs.

    Jobs that name one and are not done yet will fail. If you add the same file again, you can retry them.
    """
    with connected(url, api_key) as client:
        for asset_id in ids:
            client.remove_asset(asset_id)
            say(f"removed {asset_id}")
