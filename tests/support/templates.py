"""The CloudFormation templates, as a test reads them."""

from __future__ import annotations

from typing import Any

import cfnlint.decode

from darkroom.provision.stack import TEMPLATES

NAMES = sorted(path.name for path in TEMPLATES.glob("*.yaml"))


def load(name: str) -> dict[str, Any]:
    """A template with its functions written out: `{"Ref": ...}` for `!Ref ...`."""
    template, faults = cfnlint.decode.decode(str(TEMPLATES / name))
    assert not faults, faults
    assert template is not None
    return plain(template)


def plain(node: Any) -> Any:
    """cfn-lint's nodes know their places in the file, which makes no two of them equal."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    return str(node) if isinstance(node, str) else node
