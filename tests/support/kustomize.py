"""Renders deploy/kubernetes as `kubectl kustomize` does, on machines that have only Python.

It knows the part of kustomize that our files use, and refuses the rest. Where kustomize is installed,
tests/deploy/test_kubernetes.py compares both.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

CLUSTER_WIDE = {"Namespace"}
"""Those of our kinds that have no namespace."""

POD_MAKERS = {"Deployment", "Job"}

MERGE_KEYS = {"containers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath"}
"""Those lists of our patches that a strategic merge patch merges by a key; it replaces most others."""

DIGITS = str.maketrans("013ae", "ghkmt")
"""Hexadecimal digits that kustomize replaces, so that a hash contains no words."""


def render(folder: Path) -> list[Manifest]:
    """All manifests of a kustomization, in no particular order."""
    manifests, generated = _build(folder)
    for name in generated:
        config_map = the(manifests, "ConfigMap", name)
        config_map["metadata"]["name"] = f"{name}-{_hash(config_map['data'])}"
        for place in _dicts(manifests):
            if place.get("configMapRef") == {"name": name}:
                place["configMapRef"] = {"name": config_map["metadata"]["name"]}
    return manifests


def _build(folder: Path) -> tuple[list[Manifest], list[str]]:
    """The manifests, and the names of the ConfigMaps whose names need a hash."""
    steps = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert (steps.pop("apiVersion"), steps.pop("kind")) == ("kustomize.config.k8s.io/v1beta1", "Kustomization")
    manifests: list[Manifest] = []
    generated: list[str] = []
    for resource in steps.pop("resources"):
        if (path := folder / resource).is_dir():
            for all_of_them, below in zip((manifests, generated), _build(path), strict=True):
                all_of_them.extend(below)
        else:
            manifests += [manifest for manifest in yaml.safe_load_all(path.read_text()) if manifest]
    for generator in steps.pop("configMapGenerator"):
        _generate(manifests, generated, **generator)
    for patch in steps.pop("patches", []):
        manifests = _patched(manifests, patch)
    namespace = steps.pop("namespace")
    for manifest in manifests:
        if manifest["kind"] not in CLUSTER_WIDE:
            manifest["metadata"]["namespace"] = namespace
    for labels in steps.pop("labels", []):
        _label(manifests, labels)
    for image in steps.pop("images", []):
        _set_image(manifests, image)
    assert not steps, f"unknown in a kustomization: {sorted(steps)}"
    return manifests, generated


def _generate(
    manifests: list[Manifest], generated: list[str], name: str, literals: list[str], behavior: str = "create"
) -> None:
    if behavior == "create":
        manifests.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {}})
        generated.append(name)
    else:
        assert behavior == "merge", f"unknown in a configMapGenerator: {behavior}"
    the(manifests, "ConfigMap", name)["data"] |= dict(literal.split("=", 1) for literal in literals)


def the(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one manifest of that kind and name."""
    found = [item for item in manifests if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"there are {len(found)} of {kind} {name}"
    return found[0]


# --- patches


def _patched(manifests: list[Manifest], patch: dict[str, Any]) -> list[Manifest]:
    content = yaml.safe_load(patch["patch"])
    if isinstance(content, list):
        _apply_json_patch(the(manifests, **patch["target"]), content)
        return manifests
    target = the(manifests, content["kind"], content["metadata"]["name"])
    if content.pop("$patch", None) == "delete":
        return [manifest for manifest in manifests if manifest is not target]
    _merge(target, content)
    return manifests


def _merge(into: dict[str, Any], patch: dict[str, Any]) -> None:
    """A strategic merge patch."""
    for name, value in patch.items():
        assert not name.startswith("$"), f"unknown in a patch: {name}"
        old = into.get(name)
        if value is None:
            into.pop(name, None)
        elif isinstance(value, dict) and isinstance(old, dict):
            _merge(old, value)
        elif isinstance(value, list) and isinstance(old, list) and (key := MERGE_KEYS.get(name)):
            for item in value:
                same = [entry for entry in old if entry[key] == item[key]]
                if same:
                    _merge(same[0], item)
                else:
                    old.append(copy.deepcopy(item))
        else:
            assert not isinstance(value, list), f"unknown in a patch: the list {name}"
            into[name] = copy.deepcopy(value)


def _apply_json_patch(manifest: Manifest, patch: list[dict[str, Any]]) -> None:
    for step in patch:
        *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        place: Any = manifest
        for part in parents:
            place = place[int(part) if isinstance(place, list) else part]
        assert step["op"] == "replace", f"unknown in a JSON patch: {step['op']}"
        assert isinstance(place, dict), f"unknown in a JSON patch: an item of a list, {step['path']}"
        assert last in place, f"there is no {step['path']} to replace"
        place[last] = step["value"]


# --- changes of all manifests


def _label(manifests: list[Manifest], labels: dict[str, Any]) -> None:
    assert labels.keys() <= {"pairs", "includeTemplates"}, f"unknown in labels: {sorted(labels)}"
    for manifest in manifests:
        places = [manifest]
        if labels.get("includeTemplates") and manifest["kind"] in POD_MAKERS:
            places.append(manifest["spec"]["template"])
        for place in places:
            place.setdefault("metadata", {}).setdefault("labels", {}).update(labels["pairs"])


def _set_image(manifests: list[Manifest], image: dict[str, str]) -> None:
    assert image.keys() == {"name", "newName", "newTag"}, f"unknown in images: {sorted(image)}"
    for place in _dicts(manifests):
        for container in place.get("containers", []):
            if container["image"].split(":")[0] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"


def _hash(data: dict[str, str]) -> str:
    """The ten characters of hash that kustomize appends to the name of a generated ConfigMap."""
    text = json.dumps({"data": data, "kind": "ConfigMap", "name": ""}, sort_keys=True, separators=(",", ":"))
    assert not set(text) & set("<>&\\"), "JSON of Go and of Python differ in these characters"
    return hashlib.sha256(text.encode()).hexdigest()[:10].translate(DIGITS)


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _dicts(item)
