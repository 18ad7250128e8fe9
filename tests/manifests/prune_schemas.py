"""Makes the schemas beside this file from the published ones: ``prune_schemas.py CRD SWAGGER``.

CRD is ``ray.io_rayservices.yaml`` of a KubeRay release, SWAGGER the ``swagger.json`` of Kubernetes.
What remains is what the manifests need: no descriptions, and only the kinds of :data:`KINDS`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

KINDS = (
    "Namespace",
    "ConfigMap",
    "Service",
    "StatefulSet",
    "NetworkPolicy",
    "PodDisruptionBudget",
)
_PROSE = frozenset({"description", "title", "example", "x-kubernetes-validations"})
_REFERENCE = "#/definitions/"


def without_prose(schema: Any) -> Any:
    """Return *schema* without the keys that only a reader needs."""
    if isinstance(schema, list):
        return [without_prose(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: value for key, value in schema.items() if key not in _PROSE or _is_name(key, value)
    }
    return {key: without_prose(value) for key, value in kept.items()}


def _is_name(key: str, value: Any) -> bool:
    """Tell a property that is called like a prose key from the prose itself."""
    return key in _PROSE and isinstance(value, dict)


def references(schema: Any) -> set[str]:
    """Return the names of the definitions that *schema* refers to."""
    if isinstance(schema, list):
        return set().union(*(references(item) for item in schema))
    if not isinstance(schema, dict):
        return set()
    found = set().union(*(references(item) for item in schema.values()))
    target = schema.get("$ref")
    return found | {target.removeprefix(_REFERENCE)} if isinstance(target, str) else found


def kubernetes(swagger: dict[str, Any]) -> dict[str, Any]:
    """Return the definitions of :data:`KINDS` and everything they refer to."""
    definitions = swagger["definitions"]
    waiting = [
        name
        for name, schema in definitions.items()
        for kind in schema.get("x-kubernetes-group-version-kind", [])
        if kind["kind"] in KINDS and kind["version"] == "v1"
    ]
    kept: dict[str, Any] = {}
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept[name] = without_prose(definitions[name])
            waiting.extend(sorted(references(kept[name])))
    return {"definitions": dict(sorted(kept.items()))}


def ray_service(crd: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of RayService v1."""
    versions = {item["name"]: item for item in crd["spec"]["versions"]}
    schema: dict[str, Any] = without_prose(versions["v1"]["schema"]["openAPIV3Schema"])
    return schema


def write(path: Path, schema: dict[str, Any]) -> None:
    """Write *schema* as one compact line."""
    path.write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    crd_path, swagger_path = map(Path, sys.argv[1:])
    folder = Path(__file__).parent / "schemas"
    write(folder / "rayservice.json", ray_service(yaml.safe_load(crd_path.read_text())))
    write(folder / "kubernetes.json", kubernetes(json.loads(swagger_path.read_text())))
