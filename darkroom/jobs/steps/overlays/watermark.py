"""The watermark step."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from darkroom.jobs.asset_ids import EXAMPLE_PICTURE, PictureId
from darkroom.jobs.steps.overlays.overlay import Overlay


class Watermark(Overlay):
    """Lay an uploaded picture on the photo, such as a logo. Of an animation it is the first frame."""

    example: ClassVar[dict[str, Any]] = {
        "type": "watermark",
        "image": EXAMPLE_PICTURE,
        "position": "southeast",
        "opacity": 0.7,
    }

    type: Literal["watermark"] = "watermark"
    image: PictureId
    scale: float | None = Field(
        0.2,
        ge=0.01,
        le=1,
        description="longer side of the watermark as a share of the shorter side of the photo. null: its own pixels",
    )
