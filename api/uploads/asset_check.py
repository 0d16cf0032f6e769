"""Whether the caller has the assets that jobs name."""

from __future__ import annotations

from collections.abc import Iterable

from api.context import Context, caller
from darkroom.errors import Fault
from darkroom.jobs.asset_ids import AssetKind
from darkroom.jobs.job_types import Job, asset_uses

NAMES: dict[AssetKind, str] = {"picture": "a picture", "lut": "a LUT"}


def check_assets(ctx: Context, jobs: Iterable[Job], preset: str | None) -> list[Fault]:
    """A fault for each asset that the caller does not have, and for each of the wrong kind. `preset`: the name of the
    preset that the jobs come from, if they come from one.

    Sends no request if the jobs name no assets. Raises Unavailable.
    """
    uses = [(f"jobs[{number}].{use.field}", use) for number, job in enumerate(jobs) for use in asset_uses(job)]
    if not uses:
        return []
    own = ctx.services.assets.get(caller()).assets
    faults = []
    for place, use in uses:
        asset = own.get(use.id)
        if asset is None:
            detail, code = f"you have no asset {use.id}; POST /v1/assets uploads one", "unknown_asset"
        elif asset.content.kind != use.kind:
            given, wanted = NAMES[asset.content.kind], NAMES[use.kind]
            detail, code = f"asset {use.id} is {given}; this needs {wanted}", "wrong_asset"
        else:
            continue
        if preset:
            place, detail = "preset", f"{place} of preset {preset}: {detail}"
        faults.append(Fault(place, detail, code))
    return faults
