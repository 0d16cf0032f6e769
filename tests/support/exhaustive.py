"""Matrices of cases: `make test` runs a few of them, `make test-all` and CI run all.

A case that only exhausts a matrix has the mark `exhaustive`; `make test` deselects it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pytest
from _pytest.mark.structures import ParameterSet


def matrix(cases: Iterable[str | ParameterSet], keep: Collection[str]) -> list[ParameterSet]:
    """Parameters for `pytest.mark.parametrize`: all cases, `exhaustive` but for those that `keep` names by their id."""
    sets = [case if isinstance(case, ParameterSet) else pytest.param(case, id=case) for case in cases]
    unknown = set(keep) - {str(case.id) for case in sets}
    assert not unknown, f"no case is called {sorted(unknown)}"
    return [
        case if case.id in keep else pytest.param(*case.values, id=case.id, marks=[*case.marks, pytest.mark.exhaustive])
        for case in sets
    ]
