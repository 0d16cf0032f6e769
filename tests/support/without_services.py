"""A Python that has only what the package installs without extras: `python -c BLOCK; ...`.

The meta path finder refuses each module of a distribution that the base dependencies do not need, and our services.
"""

from __future__ import annotations

from darkroom.settings import PROJECT

BLOCK = rf"""
import re, sys, tomllib
from importlib.metadata import distribution, packages_distributions

def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()

def need(requirements):
    for requirement in requirements:
        name = normal(re.match(r"[\w.-]+", requirement)[0])
        if "extra ==" not in requirement and name not in allowed:
            allowed.add(name)
            need(distribution(name).requires or [])

allowed = {{"darkroom"}}
with open({str(PROJECT / "pyproject.toml")!r}, "rb") as project:
    need(tomllib.load(project)["project"]["dependencies"])
blocked = {{"api", "worker"}} | {{
    module for module, names in packages_distributions().items() if not {{*map(normal, names)}} & allowed
}}

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError("No module named " + name, name=name)
        return None

sys.meta_path.insert(0, Refusing())
"""
