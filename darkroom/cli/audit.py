"""Look for known vulnerabilities in the packages of requirements/: `make audit`.

pip-audit asks the advisory service OSV about each version. It leaves out packages whose marker does not fit the Python
that it runs on, but the image has another Python: so it gets the versions without markers. A name may then have two
versions, which pip-audit does not accept in one run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darkroom.cli.operator_commands import versions
from darkroom.cli.terminal import counted, say, say_table
from darkroom.settings import PROJECT

REQUIREMENTS = PROJECT / "requirements"

EVERYTHING, IMAGE = "dev.txt", "app.txt"
"""The lock file with all packages, and the one with those of the image."""

PIP_AUDIT = (
    *(sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv", "--strict", "--format", "json"),
    *("--progress-spinner", "off", "--no-deps", "--disable-pip"),
)

VULNERABLE, NOT_CHECKED = 1, 2
"""Exit statuses."""

Pin = tuple[str, str]
"""Name and version of a package."""


@dataclass(frozen=True)
class Finding:
    package: str
    version: str
    id: str
    aliases: Sequence[str]
    fixed_in: Sequence[str]


class NotChecked(Exception):
    """pip-audit did not check every package. The message is the reason that it gives."""


def main(options: Sequence[str]) -> int:
    """Print all versions, then what is known about the packages. `options` are passed to pip-audit.

    Returns the exit status: 0 only if every package was checked and nothing is known.
    """
    versions.main([], standalone_mode=False)
    say("\npip-audit does not check the libraries written in C: compare them with their projects' advisories.\n")
    pins = pins_of(EVERYTHING)
    say(f"pip-audit checks {counted(len(pins), 'package')} of requirements/{EVERYTHING} ...", err=True)
    try:
        findings = [finding for group in without_repeated_names(pins) for finding in _audit(group, options)]
    except NotChecked as error:
        say(f"Error: the packages were not checked. pip-audit reports: {error}", err=True)
        say("Run `make audit` where pip-audit can reach its advisory service.", err=True)
        return NOT_CHECKED
    if not findings:
        say(f"{counted(len(pins), 'package')} checked: no known vulnerabilities.")
        return 0
    shipped = set(pins_of(IMAGE))
    rows = [
        [
            finding.id,
            f"{finding.package} {finding.version}",
            ", ".join(finding.fixed_in) or "-",
            "image" if (finding.package, finding.version) in shipped else "tools",
            ", ".join(finding.aliases),
        ]
        for finding in findings
    ]
    say_table([["VULNERABILITY", "PACKAGE", "FIXED IN", "USED IN", "ALSO KNOWN AS"], *rows])
    say(f"\n{counted(len(pins), 'package')} checked: {len(findings)} of the known vulnerabilities concern them.")
    return VULNERABLE


def pins_of(lock: str) -> list[Pin]:
    """Every package in a lock file, whatever its marker."""
    return re.findall(r"^([a-z0-9._-]+)==(\S+)", (REQUIREMENTS / lock).read_text(), re.MULTILINE)


def without_repeated_names(pins: Sequence[Pin]) -> list[list[Pin]]:
    """The pins in as few groups as needed for each group to have each name once."""
    groups: list[dict[str, str]] = []
    for name, version in pins:
        group = next((group for group in groups if name not in group), None)
        if group is None:
            groups.append(group := {})
        group[name] = version
    return [list(group.items()) for group in groups]


def _audit(pins: Sequence[Pin], options: Sequence[str]) -> list[Finding]:
    """What pip-audit knows about these packages. Raises NotChecked."""
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("".join(f"{name}=={version}\n" for name, version in pins))
        command = [*PIP_AUDIT, "--requirement", str(requirements), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:  # whatever it found: it prints JSON only after it has checked every package
        raise NotChecked(_reason(done.stderr) or f"exit status {done.returncode}") from None
    return [
        Finding(package["name"], package["version"], found["id"], found["aliases"], found["fix_versions"])
        for package in packages
        for found in package["vulns"]
    ]


def _reason(stderr: str) -> str:
    """pip-audit's own errors, or the last line of a traceback."""
    errors = re.findall(r"^ERROR:[\w.]+:(.+)$", stderr, re.MULTILINE)
    return " ".join(errors) or stderr.strip().rpartition("\n")[2]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
