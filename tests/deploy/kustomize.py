"""`kustomize build`, as far as docker/kubernetes uses it; anything else is refused by name.

Where a real kubectl is installed, test_kubernetes.py compares the two.
"""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.files import read_documents

Manifest = dict[str, Any]
KNOWN = {"apiVersion", "kind", "namespace", "resources", "configMapGenerator", "images", "replicas", "patches"}
CLUSTER_WIDE = {"Namespace"}


def build(folder: Path) -> list[Manifest]:
    """Return every object of the kustomization in `folder`, as it would be applied."""
    manifests = _accumulate(folder)
    _add_name_hashes(manifests)
    return manifests


def _accumulate(folder: Path) -> list[Manifest]:
    (kustomization,) = read_documents(folder / "kustomization.yaml")
    unknown = set(kustomization) - KNOWN
    assert not unknown, f"this build knows nothing of {unknown}"
    manifests: list[Manifest] = []
    for resource in kustomization.get("resources", []):
        path = (folder / resource).resolve()
        manifests += _accumulate(path) if path.is_dir() else read_documents(path)
    for generator in kustomization.get("configMapGenerator", []):
        _generate(manifests, generator, folder)
    for patch in kustomization.get("patches", []):
        _patch(manifests, patch)
    for replicas in kustomization.get("replicas", []):
        _named(manifests, {"name": replicas["name"]}, having="replicas")["spec"]["replicas"] = replicas["count"]
    for image in kustomization.get("images", []):
        _set_image(manifests, image)
    if namespace := kustomization.get("namespace"):
        for manifest in manifests:
            if manifest["kind"] not in CLUSTER_WIDE:
                manifest["metadata"]["namespace"] = namespace
    keys = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests]
    assert len(keys) == len(set(keys)), f"two objects of one name: {sorted(keys)}"
    return manifests


def _generate(manifests: list[Manifest], generator: Manifest, folder: Path) -> None:
    data = dict(literal.split("=", 1) for literal in generator.get("literals", []))
    for name in generator.get("files", []):
        assert "/" not in name, f"{name} is outside of its kustomization, which kustomize refuses"
        data[name] = (folder / name).read_text()
    if generator.get("behavior") == "merge":
        _named(manifests, {"kind": "ConfigMap", "name": generator["name"]})["data"] |= data
        return
    metadata = {"name": generator["name"]}
    manifests.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data, "_generated": True})


def _named(manifests: list[Manifest], target: Manifest, having: str = "") -> Manifest:
    (found,) = [
        manifest
        for manifest in manifests
        if manifest["metadata"]["name"] == target["name"]
        and target.get("kind") in (None, manifest["kind"])
        and (not having or having in manifest.get("spec", {}))
    ]
    return found


def _patch(manifests: list[Manifest], patch: Manifest) -> None:
    target = _named(manifests, patch["target"])
    for operation in yaml.safe_load(patch["patch"]):
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        place: Any = target
        for part in way:
            place = place[int(part) if isinstance(place, list) else part]
        key: Any = int(last) if isinstance(place, list) else last
        if operation["op"] == "remove":
            del place[key]
        elif operation["op"] == "replace":
            assert place[key] is not None
            place[key] = operation["value"]
        else:
            raise AssertionError(f"this build knows nothing of {operation['op']}")


def _set_image(manifests: list[Manifest], image: Manifest) -> None:
    changed = 0
    for container in (container for manifest in manifests for container in containers(manifest)):
        name, _, tag = container["image"].partition(":")
        if name == image["name"]:
            container["image"] = f"{image.get('newName', name)}:{image.get('newTag', tag)}"
            changed += 1
    assert changed, f"no container has the image {image['name']}"


def _add_name_hashes(manifests: list[Manifest]) -> None:
    renamed = {}
    for manifest in manifests:
        if manifest.pop("_generated", False):
            name = manifest["metadata"]["name"]
            # kustomize leaves the name out of what it hashes, by an empty one.
            hashed = {"data": manifest["data"], "kind": "ConfigMap", "name": ""}
            encoded = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            # Go's encoder escapes these three for the sake of HTML.
            for character in "<>&":
                encoded = encoded.replace(character, f"\\u{ord(character):04x}")
            digest = hashlib.sha256(encoded.encode()).hexdigest()[:10]
            renamed[name] = f"{name}-{digest.translate(str.maketrans('013ae', 'ghkmt'))}"
            manifest["metadata"]["name"] = renamed[name]
    for reference in (reference for manifest in manifests for reference in config_map_references(manifest)):
        reference["name"] = renamed[reference["name"]]


def pod_spec(manifest: Manifest) -> Manifest | None:
    """Return the pod's specification within a workload."""
    template = manifest.get("spec", {}).get("template") if manifest["kind"] != "Ingress" else None
    return template["spec"] if template else None


def containers(manifest: Manifest) -> list[Manifest]:
    """Return the containers of a workload, the first ones included."""
    spec = pod_spec(manifest) or {}
    return [*spec.get("initContainers", []), *spec.get("containers", [])]


def config_map_references(manifest: Manifest) -> list[Manifest]:
    """Return every place where a workload names a ConfigMap."""
    spec = pod_spec(manifest) or {}
    mounted = [volume["configMap"] for volume in spec.get("volumes", []) if "configMap" in volume]
    read = [
        source["configMapRef"]
        for container in containers(manifest)
        for source in container.get("envFrom", [])
        if "configMapRef" in source
    ]
    return mounted + read


def copy_of(manifests: list[Manifest]) -> list[Manifest]:
    """Return a deep copy, for a test that plants a fault."""
    return copy.deepcopy(manifests)
