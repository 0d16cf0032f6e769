"""requirements/*.txt: what runs on a laptop and in the tests is what the image ships."""

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[3] / "requirements"
LOCKS = ["app.txt", "local.txt", "dev.txt"]


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (REQUIREMENTS / lock).read_text(), re.MULTILINE))


@pytest.mark.parametrize(("larger", "smaller"), [("local.txt", "app.txt"), ("dev.txt", "local.txt")])
def test_a_larger_lock_repeats_the_versions_of_the_smaller_one(larger: str, smaller: str) -> None:
    assert pins(smaller)
    assert pins(larger).items() > pins(smaller).items()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_has_hashes_and_no_download_address(lock: str) -> None:
    text = (REQUIREMENTS / lock).read_text()
    packages = [entry for entry in re.split(r"\n(?=[a-z])", text) if not entry.startswith("#")]
    assert packages
    assert all("--hash=sha256:" in package for package in packages)
    assert "://" not in text
