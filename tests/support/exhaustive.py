"""Matrices of cases: `make test` runs a few cases of each, `make test-all` and CI run all.

The other cases have the mark `exhaustive`, which `make test` deselects.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pytest
from _pytest.mark.structures import ParameterSet


def matrix(cases: Iterable[str | ParameterSet], keep: Collection[str]) -> list[ParameterSet]:
    """Parameters for `pytest.mark.parametrize`: all cases, those outside `keep` with the mark `exhaustive`.

    `keep`: ids of cases.
    """
    sets = [case if isinstance(case, ParameterSet) else pytest.param(case, id=case) for case in cases]
    unknown = set(keep) - {str(case.id) for case in sets}
    assert not unknown, f"no case has the id {sorted(unknown)}"
    return [
        case if case.id in keep else pytest.param(*case.values, id=case.id, marks=[*case.marks, pytest.mark.exhaustive])
        for case in sets
    ]
