"""kuberay/ against the published schemas, against itself and against the product."""

from __future__ import annotations

import ast
import tomllib
import warnings
from typing import Any

import pytest
import yaml


def ports_of(container):
    return {port["name"]: port["containerPort"] for port in container["ports"]}


def test_every_document_fits_its_schema(manifests, problems_of):
    documents = manifests.documents

    assert len(documents) >= 11
    assert [(item["kind"], text) for item in documents for text in problems_of(item)] == []


def break_field(document: Any, path: str, value: Any) -> None:
    *parents, last = path.split("/")
    for part in parents:
        document = document[int(part) if part.isdecimal() else part]
    document[last] = value


@pytest.mark.parametrize(
    ("what", "path", "value"),
    [
        ("RayService tradeplane", "spec/rayClusterConfg", {}),
        ("RayService tradeplane", "spec/rayClusterConfig/workerGroupSpecs/0/replicas", "two"),
        ("RayService tradeplane", "spec/rayClusterConfig/authOptions/mode", "none"),
        (
            "RayService tradeplane",
            "spec/rayClusterConfig/headGroupSpec/template/spec/containers/0/imagePullPolcy",
            "Always",
        ),
        ("RayService tradeplane", "metadata/label", {}),
        ("RayService tradeplane", "spec/serveService/spec/ports/0/port", "80"),
        ("PodDisruptionBudget tradeplane-api", "spec/minAvaliable", 1),
        ("NetworkPolicy default-deny", "spec/podSelector", None),
        ("ConfigMap tradeplane-settings", "data/TRADEPLANE_HTTP_PORT", 8000),
        ("Namespace tradeplane", "kind", "Namspace"),
    ],
)
def test_a_broken_field_is_reported(what, path, value, render, problems_of):
    document = render("base").one(*what.split())
    assert problems_of(document) == []

    break_field(document, path, value)

    assert problems_of(document) != []


def test_a_patch_of_a_field_that_is_not_there_is_an_error(patched):
    document = {"spec": {"replicas": 1, "items": [{"name": "a"}]}}

    patched(document, {"op": "replace", "path": "/spec/items/0/name", "value": "b"})
    patched(document, {"op": "remove", "path": "/spec/replicas"})

    assert document == {"spec": {"items": [{"name": "b"}]}}
    for path in ("/spec/replicas", "/spec/items/1"):
        with pytest.raises(AssertionError, match="is not there"):
            patched(document, {"op": "replace", "path": path, "value": 2})


def test_every_file_of_a_folder_is_used(manifests, root):
    folder = root / "kuberay" / manifests.folder
    text = (folder / "kustomization.yaml").read_text()

    unused = [file.name for file in folder.iterdir() if file.is_file() and file.name not in text]

    assert unused == ["kustomization.yaml"]


def test_serve_runs_the_same_on_every_kind_of_cluster(manifests, root):
    assert manifests.serve == yaml.safe_load((root / "kuberay/serve.yaml").read_text())


def understood(config):
    """What Ray makes of *config*; it drops what it does not know, without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own, on its import
        from ray.serve.schema import ServeDeploySchema  # noqa: PLC0415  # see the line above
    return ServeDeploySchema.model_validate(config).model_dump(mode="json", exclude_unset=True)


def test_ray_understands_all_of_the_serve_configuration(manifests):
    config = manifests.serve
    assert understood(config) == config

    config["http_options"]["request_timeout"] = 15

    assert understood(config) != config


def names_in(source: str) -> set[str]:
    """Return what the top level of *source* defines."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {item.id for item in node.targets if isinstance(item, ast.Name)}
    return found


def test_the_import_path_and_the_deployment_exist(manifests, root):
    (application,) = manifests.serve["applications"]
    module, name = application["import_path"].split(":")
    (deployment,) = application["deployments"]

    assert name in names_in((root / f"src/{module.replace('.', '/')}.py").read_text())
    assert f'name="{deployment["name"]}"' in (root / "src/serve/deployments.py").read_text()
    assert (application["name"], application["route_prefix"]) == ("tradeplane", "/")


def test_every_setting_is_known_and_in_range(manifests):
    assert manifests.settings.http_host == "0.0.0.0"


def test_a_pod_gets_the_settings_and_the_database_and_no_other_variable_of_ours(manifests):
    for spec in manifests.ray_pods:
        (container,) = spec["containers"]
        ours = [item["name"] for item in container["env"] if item["name"].startswith("TRADEPLANE_")]
        assert ours == ["TRADEPLANE_DATABASE_URL"]
        assert container["envFrom"] == [{"configMapRef": {"name": "tradeplane-settings"}}]


def test_a_changed_setting_reaches_the_pods(root):
    references = yaml.safe_load((root / "kuberay/base/name-references.yaml").read_text())
    (config_map,) = references["nameReference"]

    assert config_map["kind"] == "ConfigMap"
    assert {item["path"] for item in config_map["fieldSpecs"]} == {
        f"spec/rayClusterConfig/{group}/template/spec/containers/envFrom/configMapRef/name"
        for group in ("headGroupSpec", "workerGroupSpecs")
    }


def test_ports_agree(manifests):
    settings = manifests.settings
    (head,) = manifests.head["template"]["spec"]["containers"]
    head_ports = ports_of(head)

    assert head_ports["dashboard"] == settings.dashboard_port
    assert manifests.serve["http_options"]["port"] == settings.serve_port
    for group in manifests.workers:
        (container,) = group["template"]["spec"]["containers"]
        ports = ports_of(container)
        assert ports["api"] == settings.http_port
        assert ports["serve"] == head_ports["serve"] == settings.serve_port
        assert ports["metrics"] == head_ports["metrics"]
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "api"}


def test_clients_reach_the_workers_of_the_one_cluster_that_serves(manifests):
    service = manifests.one("RayService", "tradeplane")["spec"]["serveService"]
    (head,) = manifests.head["template"]["spec"]["containers"]

    # Of the service's ports the operator keeps those that the head declares under a name that
    # begins with "serve"; the selector is the operator's, too.
    assert service["spec"]["ports"] == [{"name": "serve", "port": 80, "targetPort": "api"}]
    assert [name for name in ports_of(head) if name.startswith("serve")] == ["serve"]
    assert "selector" not in service["spec"]
    assert manifests.one("RayService", "tradeplane")["spec"]["excludeHeadPodFromServeSvc"] is True


def test_serve_gives_up_later_than_the_application(manifests):
    timeout_s = manifests.serve["http_options"]["request_timeout_s"]

    assert timeout_s * 1_000 > manifests.settings.request_timeout_ms


def test_ray_is_the_version_that_the_product_is_built_with(manifests, root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    version = manifests.cluster["rayVersion"]

    assert f"ray[default,serve]=={version}" in project["dependencies"]
    assert f"ray=={version} \\" in (root / "requirements/run.txt").read_text().splitlines()


def test_there_is_room_for_every_replica_that_the_settings_allow(manifests):
    settings = manifests.settings
    (deployment,) = manifests.serve["applications"][0]["deployments"]
    options = deployment["ray_actor_options"]
    groups = [item for item in manifests.workers if item["labels"] == options["label_selector"]]
    room = deployment["max_replicas_per_node"]

    assert settings.replicas_min <= room * sum(group["minReplicas"] for group in groups)
    assert settings.replicas_max <= room * sum(group["maxReplicas"] for group in groups)
    for group in groups:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert int(group["rayStartParams"]["num-cpus"]) >= room * options["num_cpus"]


def test_production_runs_one_released_image(render, root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]

    (image,) = {spec["containers"][0]["image"] for spec in render("overlays/production").pods}

    assert image.endswith(f"/tradeplane:{project['version']}")


def test_production_spreads_over_hosts_and_survives_its_head(render):
    production = render("overlays/production")
    (group,) = production.workers
    spread = group["template"]["spec"]["topologySpreadConstraints"]

    assert group["minReplicas"] >= 2
    assert production.cluster["gcsFaultToleranceOptions"]["redisAddress"]
    assert {item["topologyKey"]: item["whenUnsatisfiable"] for item in spread} == {
        "kubernetes.io/hostname": "DoNotSchedule",
        "topology.kubernetes.io/zone": "ScheduleAnyway",
    }
