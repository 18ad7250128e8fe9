"""What the manifest tests share: a strict validator, and as much of kustomize as kuberay/ uses."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tradeplane.settings import Settings, from_environment

ROOT = Path(__file__).parents[2]
SCHEMAS = Path(__file__).parent / "schemas"
Document = dict[str, Any]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def problems_of() -> Callable[[Document], list[str]]:
    """A function from a document to what its schema has against it; an unknown field counts."""
    kubernetes = json.loads((SCHEMAS / "kubernetes.json").read_text())["definitions"]
    definitions = {name: definition(name, schema) for name, schema in kubernetes.items()}
    validators = {
        key: jsonschema.Draft7Validator(
            {"$ref": f"#/definitions/{name}", "definitions": definitions}
        )
        for name, schema in kubernetes.items()
        for key in kinds(schema)
    }
    ray_service = strict(json.loads((SCHEMAS / "rayservice.json").read_text()))
    ray_service["properties"]["metadata"] = definitions_reference(
        "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    )
    validators["ray.io/v1", "RayService"] = jsonschema.Draft7Validator(
        {**ray_service, "definitions": definitions}
    )

    def problems(document: Document) -> list[str]:
        key = document.get("apiVersion", ""), document.get("kind", "")
        if key not in validators:
            return [f"no schema for {key}"]
        return [
            f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
            for error in validators[key].iter_errors(document)
        ]

    return problems


def kinds(schema: Any) -> list[tuple[str, str]]:
    """Return the (apiVersion, kind) pairs that *schema* describes."""
    return [
        ("/".join(filter(None, (item["group"], item["version"]))), item["kind"])
        for item in schema.get("x-kubernetes-group-version-kind", [])
    ]


def definitions_reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/definitions/{name}"}


def definition(name: str, schema: Any) -> Any:
    """Return the strict form of a named definition; two of them are more than their type says."""
    if name.endswith(".Quantity"):
        return {"type": ["string", "number"]}
    if name.endswith(".IntOrString"):
        return {"type": ["string", "integer"]}
    return strict(schema)


def strict(schema: Any) -> Any:
    """Return *schema* such that an object with named properties has no others."""
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    if made.get("x-kubernetes-int-or-string"):
        return {"type": ["string", "integer"]}
    if "properties" in made:
        made["properties"] = {name: strict(item) for name, item in made["properties"].items()}
        if not made.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if key in made:
            made[key] = strict(made[key])
    if made.pop("nullable", False):
        made["type"] = [made["type"], "null"]
    return made


class Manifests:
    """The documents of one folder, and what the tests ask of them.

    Attributes:
        folder: the folder below kuberay/.
        documents: what `kubectl apply -k` would send.
    """

    def __init__(self, folder: str, documents: list[Document]) -> None:
        self.folder = folder
        self.documents = documents

    def one(self, kind: str, name: str) -> Document:
        """Return the document of *kind* called *name*."""
        return find(self.documents, kind, name)

    @property
    def cluster(self) -> Any:
        """The configuration of the Ray cluster."""
        return self.one("RayService", "tradeplane")["spec"]["rayClusterConfig"]

    @property
    def head(self) -> Any:
        """The head's group."""
        return self.cluster["headGroupSpec"]

    @property
    def workers(self) -> list[Any]:
        """The groups of workers."""
        groups: list[Any] = self.cluster["workerGroupSpecs"]
        return groups

    @property
    def ray_pods(self) -> list[Any]:
        """The pods' specifications of all groups of Ray nodes, the head's first."""
        return [group["template"]["spec"] for group in [self.head, *self.workers]]

    @property
    def pods(self) -> list[Any]:
        """Every pod's specification, the head's first."""
        return self.ray_pods + [
            document["spec"]["template"]["spec"]
            for document in self.documents
            if document["kind"] == "StatefulSet"
        ]

    @property
    def serve(self) -> Any:
        """Ray Serve's configuration."""
        return yaml.safe_load(self.one("RayService", "tradeplane")["spec"]["serveConfigV2"])

    @property
    def settings(self) -> Settings:
        """The product's settings in every pod."""
        data = self.one("ConfigMap", "tradeplane-settings")["data"]
        return from_environment(data | {"TRADEPLANE_DATABASE_URL": "postgresql://database/x"})


@pytest.fixture(params=["base", "overlays/development", "overlays/production"])
def manifests(request: pytest.FixtureRequest, render: Callable[[str], Manifests]) -> Manifests:
    """Each folder's documents in turn."""
    return render(request.param)


@pytest.fixture(scope="session")
def render() -> Callable[[str], Manifests]:
    """A function from a folder below kuberay/ to the documents that `kubectl apply -k` would send.

    Names keep no hash of their content: a hash says nothing that a test here asks about.
    """
    rendered: dict[str, list[Document]] = {}

    def manifests_of(folder: str) -> Manifests:
        if folder not in rendered:
            rendered[folder] = build(ROOT / "kuberay" / folder)
        return Manifests(folder, copy.deepcopy(rendered[folder]))

    return manifests_of


@pytest.fixture
def patched() -> Callable[[Document, Any], None]:
    """The function that applies one step of an overlay's patch to a document."""
    return apply_step


KNOWN = {
    *("apiVersion", "kind", "namespace", "resources", "configMapGenerator"),
    *("configurations", "patches", "images"),
}


def build(folder: Path) -> list[Document]:
    """Return the documents of *folder*, patched as its kustomization says."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    unknown = set(kustomization) - KNOWN
    assert not unknown, f"{folder.name}: this test does not know kustomize's {unknown}"
    documents: list[Document] = []
    for resource in kustomization["resources"]:
        path = folder / resource
        documents += build(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))
    for generator in kustomization.get("configMapGenerator", []):
        generate(documents, generator, folder)
    for patch in kustomization.get("patches", []):
        target = patch["target"]
        found = find(documents, target["kind"], target["name"])
        for step in yaml.safe_load((folder / patch["path"]).read_text()):
            apply_step(found, step)
    for document in documents:
        if document["kind"] != "Namespace":
            document["metadata"]["namespace"] = kustomization["namespace"]
        for image in kustomization.get("images", []):
            rename(document, image)
    return documents


def find(documents: list[Document], kind: str, name: str) -> Document:
    """Return the one document of *kind* called *name*."""
    found = [
        document
        for document in documents
        if (document["kind"], document["metadata"]["name"]) == (kind, name)
    ]
    assert len(found) == 1, f"{kind} {name} exists {len(found)} times"
    return found[0]


def generate(documents: list[Document], generator: Any, folder: Path) -> None:
    """Make the ConfigMap of *generator*, or merge it into the one that exists."""
    lines = "\n".join((folder / path).read_text() for path in generator["envs"]).splitlines()
    data = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    if generator.get("behavior") == "merge":
        find(documents, "ConfigMap", generator["name"])["data"].update(data)
        return
    metadata = {"name": generator["name"]}
    documents.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def apply_step(document: Any, step: Any) -> None:
    """Apply one operation of RFC 6902."""
    *path, last = [int(part) if part.isdecimal() else part for part in step["path"].split("/")[1:]]
    for part in path:
        document = document[part]
    exists = last in document if isinstance(document, dict) else last < len(document)
    if step["op"] == "add":
        assert isinstance(document, dict)
        assert not exists, f"{step['path']} is there already"
        document[last] = step["value"]
        return
    assert exists, f"{step['path']} is not there"
    if step["op"] == "remove":
        del document[last]
    else:
        assert step["op"] == "replace"
        document[last] = step["value"]


def rename(part: Any, image: Any) -> None:
    """Give every container that runs *image* its new name and tag."""
    if isinstance(part, list):
        for item in part:
            rename(item, image)
    elif isinstance(part, dict):
        if part.get("image") == image["name"]:
            part["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
        for item in part.values():
            rename(item, image)
