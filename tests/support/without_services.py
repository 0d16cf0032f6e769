"""A Python that has only what the package installs without extras: `python -c BLOCK; ...`.

The meta path finder refuses each module of a distribution that the base dependencies do not need, and our services.
"""

from __future__ import annotations

BLOCK = r"""
import re, sys
from importlib.metadata import distribution, packages_distributions

def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()

def needed(name, seen):
    if name not in seen:
        seen.add(name)
        for requirement in distribution(name).requires or []:
            if "extra ==" not in requirement:
                needed(normal(re.match(r"[\w.-]+", requirement)[0]), seen)
    return seen

allowed = needed("darkroom", set())
blocked = {"api", "worker"} | {
    module for module, names in packages_distributions().items() if not {*map(normal, names)} & allowed
}

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Refusing())
"""
