"""Ids of assets in specs: a step names a file that the caller has uploaded before, such as a logo or a LUT.

The id of an asset is the SHA-256 of its file. So a spec names the exact bytes, and a receipt says which file was used.
A step has such a field by its type, `PictureId` or `LutId`. Everything else follows from the type: the API refuses ids
that the owner does not have, and the worker hands the files to the child.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

AssetKind = Literal["picture", "lut"]

MAX_ASSETS = 10
"""Different assets that the jobs of one order may name. Each is an open file of the child."""

EXAMPLE_PICTURE = "a5703ff1a536463111d8ff3e8e44f04dfd66267aaf10f59e46ebcdd05e30a258"
EXAMPLE_LUT = "66a4a45dc183f329dbebbaa06d26542fa7836817e52c21e0fe02c68803ac43a4"
"""Ids for the examples of specs. The files are in tests/support/example_assets.py."""


@dataclass(frozen=True)
class RefersTo:
    """In the type of a field: its value is the id of an asset of this kind."""

    kind: AssetKind


ASSET_ID = r"^[0-9a-f]{64}$"
"""A SHA-256: 64 hexadecimal digits in small letters."""

KIND = "x-asset"
"""The keyword in the schema of such a field: which kind of asset it names. A program can make a form from it."""

AssetId = Annotated[str, Field(pattern=ASSET_ID, description="id of an asset: the SHA-256 of its file")]
PictureId = Annotated[
    str,
    Field(pattern=ASSET_ID, description="id of a picture (POST /v1/assets)", json_schema_extra={KIND: "picture"}),
    RefersTo("picture"),
]
LutId = Annotated[
    str,
    Field(pattern=ASSET_ID, description="id of a .cube file (POST /v1/assets)", json_schema_extra={KIND: "lut"}),
    RefersTo("lut"),
]


@dataclass(frozen=True)
class AssetUse:
    """A field of a spec that names an asset."""

    field: str
    id: str
    kind: AssetKind


def assets_in(spec: BaseModel) -> Iterator[AssetUse]:
    """The assets that the fields of a step name."""
    for field, kind in _asset_fields(type(spec)).items():
        if (asset_id := getattr(spec, field)) is not None:
            yield AssetUse(field, asset_id, kind)


@cache
def _asset_fields(spec: type[BaseModel]) -> Mapping[str, AssetKind]:
    return {name: mark.kind for name, field in spec.model_fields.items() for mark in _marks(field)}


def _marks(field: FieldInfo) -> list[RefersTo]:
    """The mark of a field's type. That of an optional field stands in one of its options."""
    options: list[Any] = [
        field.metadata,
        *(getattr(option, "__metadata__", ()) for option in get_args(field.annotation)),
    ]
    return [mark for option in options for mark in option if isinstance(mark, RefersTo)]
