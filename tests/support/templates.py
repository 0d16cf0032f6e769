"""The CloudFormation templates, as a test reads them.

cfn-lint is imported when it is needed: that takes more than a second, and each of pytest's workers imports all tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from darkroom.provision.stack import TEMPLATES

NAMES = sorted(path.name for path in TEMPLATES.glob("*.yaml"))


def load(name: str) -> dict[str, Any]:
    """A template with its functions written out: `{"Ref": ...}` for `!Ref ...`."""
    import cfnlint.decode

    template, faults = cfnlint.decode.decode(str(TEMPLATES / name))
    assert not faults, faults
    assert template is not None
    return plain(template)


def decode(text: str) -> dict[str, Any]:
    """The same for a template that is not in a file."""
    import cfnlint.decode

    template, _ = cfnlint.decode.decode_str(text)
    assert template is not None
    return plain(template)


def faults_of(template: str | Path, checks: Sequence[str] = (), regions: Sequence[str] = ()) -> list[Any]:
    """The findings of cfn-lint in a template, which is a file or a text."""
    from cfnlint.api import lint, lint_file
    from cfnlint.config import ManualArgs

    if isinstance(template, str):
        return lint(template)
    config: Any = ManualArgs(include_checks=list(checks), regions=list(regions))
    return lint_file(template, config=config)


def plain(node: Any) -> Any:
    """A template as plain values: nodes of cfn-lint have positions, so no two of them are equal."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    return str(node) if isinstance(node, str) else node
