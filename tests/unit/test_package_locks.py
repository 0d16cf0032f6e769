"""The lock files of npm name exact packages, and no address: the registry of each reader serves them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from darkroom.settings import PROJECT

ROOMS = ("tests", "examples")

LOCKS = [
    lock
    for room in ROOMS
    for lock in sorted((PROJECT / room).rglob("package-lock.json"))
    if "node_modules" not in lock.parts
]

every_lock = pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.parent.relative_to(PROJECT)))


@every_lock
def test_each_locked_package_has_its_hash_and_no_address(lock: Path) -> None:
    packages = json.loads(lock.read_text())["packages"]
    packages.pop("")  # the folder itself
    assert packages
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, f"{name}: run npm with --omit-lockfile-registry-resolved"


@every_lock
def test_versions_are_exact(lock: Path) -> None:
    wanted = json.loads(lock.with_name("package.json").read_text())
    versions = {**wanted.get("dependencies", {}), **wanted.get("devDependencies", {})}
    assert versions
    assert [version for version in versions.values() if not version[0].isdigit()] == []
