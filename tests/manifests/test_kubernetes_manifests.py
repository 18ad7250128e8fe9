"""kuberay/ against the published schemas, and against itself."""

from __future__ import annotations

import ast
import tomllib
import warnings
from typing import Any

import pytest
import yaml

from tradeplane.settings import from_environment

FOLDERS = ["base", "overlays/development", "overlays/production"]
OPERATOR_LABELS = {"head": {"ray.io/node-type": "head"}, "worker": {"ray.io/node-type": "worker"}}
DATABASE = {"TRADEPLANE_DATABASE_URL": "postgresql://tradeplane@database/tradeplane"}


def one(documents, kind, name):
    (found,) = (
        item for item in documents if (item["kind"], item["metadata"]["name"]) == (kind, name)
    )
    return found


def cluster(documents):
    return one(documents, "RayService", "tradeplane")["spec"]["rayClusterConfig"]


def settings_of(documents):
    data = one(documents, "ConfigMap", "tradeplane-settings")["data"]
    return from_environment(data | DATABASE)


def ray_pods(documents):
    """The pod templates of Ray nodes, by the node type that the operator labels them with."""
    config = cluster(documents)
    yield "head", config["headGroupSpec"]
    for group in config["workerGroupSpecs"]:
        yield "worker", group


def pod_specs(documents):
    for _, group in ray_pods(documents):
        yield group["template"]["spec"]
    for document in documents:
        if document["kind"] == "StatefulSet":
            yield document["spec"]["template"]["spec"]


def ports_of(container):
    return {port["name"]: port["containerPort"] for port in container["ports"]}


def api_deployment(documents):
    config = yaml.safe_load(one(documents, "RayService", "tradeplane")["spec"]["serveConfigV2"])
    return config["applications"][0]["deployments"][0]


def quantity_bytes(text):
    return int(text.removesuffix("Gi")) * 1024**3


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_document_fits_its_schema(folder, render, problems_of):
    documents = render(folder)

    assert len(documents) >= 12
    assert [(item["kind"], text) for item in documents for text in problems_of(item)] == []


def break_field(document: Any, path: str, value: Any) -> None:
    *parents, last = path.split("/")
    for part in parents:
        document = document[int(part) if part.isdecimal() else part]
    document[last] = value


@pytest.mark.parametrize(
    ("kind", "name", "path", "value"),
    [
        ("RayService", "tradeplane", "spec/rayClusterConfg", {}),
        ("RayService", "tradeplane", "spec/rayClusterConfig/workerGroupSpecs/0/replicas", "two"),
        ("RayService", "tradeplane", "spec/rayClusterConfig/authOptions/mode", "none"),
        (
            "RayService",
            "tradeplane",
            "spec/rayClusterConfig/headGroupSpec/template/spec/containers/0/imagePullPolcy",
            "Always",
        ),
        ("RayService", "tradeplane", "metadata/label", {}),
        ("Service", "tradeplane-api", "spec/ports/0/port", "80"),
        ("PodDisruptionBudget", "tradeplane-api", "spec/minAvaliable", 1),
        ("NetworkPolicy", "default-deny", "spec/podSelector", None),
        ("ConfigMap", "tradeplane-settings", "data/TRADEPLANE_HTTP_PORT", 8000),
        ("Namespace", "tradeplane", "kind", "Namspace"),
    ],
)
def test_a_broken_field_is_reported(kind, name, path, value, render, problems_of):
    document = one(render("base"), kind, name)
    assert problems_of(document) == []

    break_field(document, path, value)

    assert problems_of(document) != []


def test_every_file_of_a_folder_is_used(root):
    for folder in FOLDERS:
        path = root / "kuberay" / folder
        text = (path / "kustomization.yaml").read_text()
        unused = [file.name for file in path.iterdir() if file.is_file() and file.name not in text]
        assert unused == ["kustomization.yaml"]


def test_serve_runs_the_same_on_every_kind_of_cluster(root, render):
    everywhere = (root / "kuberay/serve.yaml").read_text()
    inline = one(render("base"), "RayService", "tradeplane")["spec"]["serveConfigV2"]

    assert yaml.safe_load(everywhere) == yaml.safe_load(inline)


def understood(config):
    """What Ray makes of *config*; it drops what it does not know, without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own, on its import
        from ray.serve.schema import ServeDeploySchema
    return ServeDeploySchema.model_validate(config).model_dump(mode="json", exclude_unset=True)


def test_ray_understands_all_of_the_serve_configuration(root):
    config = yaml.safe_load((root / "kuberay/serve.yaml").read_text())
    assert understood(config) == config

    config["http_options"]["request_timeout"] = 15
    assert understood(config) != config


def test_the_import_path_and_the_deployment_exist(root):
    config = yaml.safe_load((root / "kuberay/serve.yaml").read_text())
    (application,) = config["applications"]
    module, attribute = application["import_path"].split(":")
    source = ast.parse((root / "src" / f"{module.replace('.', '/')}.py").read_text())
    deployments = (root / "src/serve/deployments.py").read_text()

    assert attribute in {
        target
        for node in source.body
        for target in (
            [node.name]
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else [item.id for item in getattr(node, "targets", []) if isinstance(item, ast.Name)]
        )
    }
    assert [item["name"] for item in application["deployments"]] == ["Api"]
    assert 'name="Api"' in deployments
    assert (application["name"], application["route_prefix"]) == ("tradeplane", "/")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_setting_is_known_and_in_range(folder, render):
    settings = settings_of(render(folder))

    assert settings.http_host == "0.0.0.0"


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_variable_of_the_product_in_a_pod_is_a_setting(folder, render):
    given = {
        variable["name"]
        for spec in pod_specs(render(folder))
        for variable in spec["containers"][0].get("env", [])
        if variable["name"].startswith("TRADEPLANE_")
    }

    assert given == set(DATABASE)
    from_environment(DATABASE)


@pytest.mark.parametrize("folder", FOLDERS)
def test_ports_agree(folder, render):
    documents = render(folder)
    settings = settings_of(documents)
    config = cluster(documents)
    head = ports_of(config["headGroupSpec"]["template"]["spec"]["containers"][0])
    config_of_serve = yaml.safe_load(
        one(documents, "RayService", "tradeplane")["spec"]["serveConfigV2"]
    )

    assert head["dashboard"] == settings.dashboard_port
    assert config_of_serve["http_options"]["port"] == settings.serve_port
    for group in config["workerGroupSpecs"]:
        container = group["template"]["spec"]["containers"][0]
        worker = ports_of(container)
        assert worker["api"] == settings.http_port
        assert worker["serve"] == head["serve"] == settings.serve_port
        assert worker["metrics"] == head["metrics"]
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "api"}
    (port,) = one(documents, "Service", "tradeplane-api")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (80, "api")


@pytest.mark.parametrize("folder", FOLDERS)
def test_ray_is_the_version_that_the_product_is_built_with(folder, render, root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]

    version = cluster(render(folder))["rayVersion"]

    assert f"ray[default,serve]=={version}" in project["dependencies"]
    assert f"ray=={version} \\" in (root / "requirements/run.txt").read_text().splitlines()


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_pod_keeps_to_the_restricted_profile(folder, render):
    for spec in pod_specs(render(folder)):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
        assert all("emptyDir" in volume for volume in spec["volumes"])
        assert all("sizeLimit" in volume["emptyDir"] for volume in spec["volumes"])


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_autoscaler_beside_the_head_keeps_to_the_restricted_profile(folder, render):
    config = cluster(render(folder))
    context = config["autoscalerOptions"]["securityContext"]
    volumes = {item["name"] for item in config["headGroupSpec"]["template"]["spec"]["volumes"]}

    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert {item["name"] for item in config["autoscalerOptions"]["volumeMounts"]} <= volumes


@pytest.mark.parametrize("folder", FOLDERS)
def test_memory_is_reserved_whole_and_the_object_store_fits_into_shared_memory(folder, render):
    for _, group in ray_pods(render(folder)):
        spec = group["template"]["spec"]
        resources = spec["containers"][0]["resources"]
        (shared,) = (item for item in spec["volumes"] if item["name"] == "shared-memory")
        limit = quantity_bytes(shared["emptyDir"]["sizeLimit"])

        assert resources["requests"]["memory"] == resources["limits"]["memory"]
        assert shared["emptyDir"]["medium"] == "Memory"
        assert int(group["rayStartParams"]["object-store-memory"]) <= limit
        assert limit < quantity_bytes(resources["limits"]["memory"])


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_ray_container_mounts_what_a_read_only_root_takes_away(folder, render):
    for _, group in ray_pods(render(folder)):
        spec = group["template"]["spec"]
        mounts = {item["mountPath"] for item in spec["containers"][0]["volumeMounts"]}
        volumes = {item["name"] for item in spec["volumes"]}

        assert mounts == {"/tmp", "/tmp/ray", "/dev/shm", "/var/lib/tradeplane"}
        assert {item["name"] for item in spec["containers"][0]["volumeMounts"]} == volumes
    assert settings_of(render(folder)).home in mounts


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_leaving_pod_has_time_to_drain(folder, render):
    documents = render(folder)
    drain_s = settings_of(documents).drain_ms / 1_000

    for node_type, group in ray_pods(documents):
        if node_type == "worker":
            spec = group["template"]["spec"]
            command, pause_s = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
            assert command == "sleep"
            assert spec["terminationGracePeriodSeconds"] >= int(pause_s) + drain_s + 5


@pytest.mark.parametrize("folder", FOLDERS)
def test_there_is_room_for_every_replica_that_the_settings_allow(folder, render):
    documents = render(folder)
    settings = settings_of(documents)
    deployment = api_deployment(documents)
    labels = deployment["ray_actor_options"]["label_selector"]
    groups = [
        group for group in cluster(documents)["workerGroupSpecs"] if group["labels"] == labels
    ]
    room = deployment["max_replicas_per_node"]

    assert settings.replicas_min <= room * sum(group["minReplicas"] for group in groups)
    assert settings.replicas_max <= room * sum(group["maxReplicas"] for group in groups)
    for group in groups:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert (
            int(group["rayStartParams"]["num-cpus"]) >= deployment["ray_actor_options"]["num_cpus"]
        )


def test_production_has_more_than_one_worker_and_a_control_plane_that_survives(render):
    documents = render("overlays/production")
    config = cluster(documents)
    workers = sum(group["minReplicas"] for group in config["workerGroupSpecs"])
    spread = config["workerGroupSpecs"][0]["template"]["spec"]["topologySpreadConstraints"]

    assert workers >= 2
    assert config["gcsFaultToleranceOptions"]["redisAddress"]
    assert {item["topologyKey"]: item["whenUnsatisfiable"] for item in spread} == {
        "kubernetes.io/hostname": "DoNotSchedule",
        "topology.kubernetes.io/zone": "ScheduleAnyway",
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_drain_of_hosts_can_go_on_and_leaves_replicas(folder, render):
    documents = render(folder)
    spec = one(documents, "PodDisruptionBudget", "tradeplane-api")["spec"]
    workers = sum(group["minReplicas"] for group in cluster(documents)["workerGroupSpecs"])

    assert "maxUnavailable" not in spec
    assert isinstance(spec["minAvailable"], int)
    assert spec["minAvailable"] < workers
    assert spec["minAvailable"] >= 1 or folder == "overlays/development"


@pytest.mark.parametrize("folder", FOLDERS)
def test_selectors_meet_the_workers_and_not_the_head(folder, render):
    documents = render(folder)
    selectors = [
        one(documents, "Service", "tradeplane-api")["spec"]["selector"],
        one(documents, "PodDisruptionBudget", "tradeplane-api")["spec"]["selector"]["matchLabels"],
        one(documents, "NetworkPolicy", "api-from-the-gateway")["spec"]["podSelector"][
            "matchLabels"
        ],
    ]

    for node_type, group in ray_pods(documents):
        labels = group["template"]["metadata"]["labels"] | OPERATOR_LABELS[node_type]
        for selector in selectors:
            assert (selector.items() <= labels.items()) == (node_type == "worker")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_ray_container_demands_the_token(folder, render):
    documents = render(folder)

    assert cluster(documents)["authOptions"]["mode"] == "token"
    for _, group in ray_pods(documents):
        environment = group["template"]["spec"]["containers"][0]["env"]
        assert {"name": "RAY_AUTH_MODE", "value": "token"} in environment


@pytest.mark.parametrize("folder", FOLDERS)
def test_only_the_head_may_talk_to_kubernetes_and_does_no_work(folder, render):
    documents = render(folder)

    assert cluster(documents)["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    head, *others = pod_specs(documents)
    assert "automountServiceAccountToken" not in head
    assert all(spec["automountServiceAccountToken"] is False for spec in others)


@pytest.mark.parametrize("folder", FOLDERS)
def test_autoscaler_v2_is_chosen_once_and_pods_are_never_restarted_in_place(folder, render):
    config = cluster(render(folder))

    assert config["enableInTreeAutoscaling"] is True
    assert config["autoscalerOptions"]["version"] == "v2"
    for _, group in ray_pods(render(folder)):
        spec = group["template"]["spec"]
        names = {item["name"] for item in spec["containers"][0]["env"]}
        assert spec.get("restartPolicy", "Never") == "Never"
        assert "RAY_enable_autoscaler_v2" not in names


def ingress_of(documents):
    """(port, namespace) pairs that may come in, but for pods of the cluster itself."""
    found = set()
    for policy in (item for item in documents if item["kind"] == "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            assert rule["from"], "an empty list of peers lets everybody in"
            for peer in rule["from"]:
                if "namespaceSelector" not in peer:
                    assert peer == {
                        "podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "tradeplane"}}
                    }
                    continue
                selector = peer["namespaceSelector"]
                names = list(selector.get("matchLabels", {}).values()) + [
                    name for item in selector.get("matchExpressions", []) for name in item["values"]
                ]
                found |= {(port["port"], name) for port in rule["ports"] for name in names}
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_network_is_closed_but_for_what_the_security_page_says(folder, render):
    documents = render(folder)
    settings = settings_of(documents)

    assert one(documents, "NetworkPolicy", "default-deny")["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    assert ingress_of(documents) == {
        (settings.http_port, "gateway"),
        (settings.http_port, "monitoring"),
        (8080, "monitoring"),
        (settings.dashboard_port, "kuberay-operator"),
        (settings.dashboard_port, "tradeplane-operators"),
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_secrets_are_named_and_never_contained(folder, render, root):
    documents = render(folder)
    guide = (root / "kuberay/README.md").read_text()
    config = cluster(documents)
    wanted = {config["authOptions"]["secretName"]}
    if "gcsFaultToleranceOptions" in config:
        password = config["gcsFaultToleranceOptions"]["redisPassword"]
        assert "value" not in password
        wanted.add(password["valueFrom"]["secretKeyRef"]["name"])
    for spec in pod_specs(documents):
        for variable in spec["containers"][0]["env"]:
            if any(word in variable["name"] for word in ("PASSWORD", "TOKEN", "URL")):
                assert "value" not in variable
                wanted.add(variable["valueFrom"]["secretKeyRef"]["name"])

    assert "Secret" not in {item["kind"] for item in documents}
    assert [name for name in wanted if f"secret generic {name} " not in guide] == []


def test_production_runs_one_released_image(render, root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    images = {spec["containers"][0]["image"] for spec in pod_specs(render("overlays/production"))}

    (image,) = images
    assert image.endswith(f"/tradeplane:{project['version']}")


def test_a_changed_setting_reaches_the_pods(root):
    references = yaml.safe_load((root / "kuberay/base/name-references.yaml").read_text())
    (config_map,) = references["nameReference"]

    assert {item["path"] for item in config_map["fieldSpecs"]} == {
        f"spec/rayClusterConfig/{group}/template/spec/containers/envFrom/configMapRef/name"
        for group in ("headGroupSpec", "workerGroupSpecs")
    }


def test_a_patch_of_a_field_that_is_not_there_is_an_error(patched):
    document = {"spec": {"replicas": 1, "items": [{"name": "a"}]}}

    patched(document, {"op": "replace", "path": "/spec/items/0/name", "value": "b"})
    patched(document, {"op": "remove", "path": "/spec/replicas"})
    assert document == {"spec": {"items": [{"name": "b"}]}}
    for path in ("/spec/replicas", "/spec/items/1"):
        with pytest.raises(AssertionError, match="is not there"):
            patched(document, {"op": "replace", "path": path, "value": 2})
