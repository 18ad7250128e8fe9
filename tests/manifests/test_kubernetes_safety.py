"""What kuberay/ promises about isolation, secrets, memory and leaving pods."""

from __future__ import annotations

WORKER = {"ray.io/node-type": "worker"}  # the operator's label, which no template can override
HEAD = {"ray.io/node-type": "head"}
CLUSTER = {"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "tradeplane"}}}
SECRET_WORDS = ("PASSWORD", "TOKEN", "URL", "SECRET")


def quantity_bytes(text):
    return int(text.removesuffix("Gi")) * 1024**3


def test_every_pod_keeps_to_the_restricted_profile(manifests):
    for spec in manifests.pods:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_the_namespace_refuses_other_pods(manifests):
    labels = manifests.one("Namespace", "tradeplane")["metadata"]["labels"]

    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_autoscaler_beside_the_head_keeps_to_the_restricted_profile(manifests):
    options = manifests.cluster["autoscalerOptions"]
    volumes = {item["name"] for item in manifests.head["template"]["spec"]["volumes"]}

    assert options["securityContext"]["allowPrivilegeEscalation"] is False
    assert options["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {item["name"] for item in options["volumeMounts"]} <= volumes


def test_only_the_head_may_talk_to_kubernetes_and_does_no_work(manifests):
    head, *others = manifests.pods

    assert manifests.head["rayStartParams"]["num-cpus"] == "0"
    assert "automountServiceAccountToken" not in head
    assert all(spec["automountServiceAccountToken"] is False for spec in others)


def test_every_ray_container_demands_the_token(manifests):
    assert manifests.cluster["authOptions"]["mode"] == "token"
    for spec in manifests.ray_pods:
        assert {"name": "RAY_AUTH_MODE", "value": "token"} in spec["containers"][0]["env"]


def test_secrets_are_named_and_never_contained(manifests, root):
    guide = (root / "kuberay/README.md").read_text()
    wanted = {manifests.cluster["authOptions"]["secretName"]}
    redis = manifests.cluster.get("gcsFaultToleranceOptions")
    variables = [redis["redisPassword"]] if redis else []
    for spec in manifests.pods:
        variables += [
            variable
            for variable in spec["containers"][0]["env"]
            if any(word in variable["name"] for word in SECRET_WORDS)
        ]
    for variable in variables:
        assert "value" not in variable
        wanted.add(variable["valueFrom"]["secretKeyRef"]["name"])

    assert "Secret" not in {item["kind"] for item in manifests.documents}
    assert [name for name in wanted if f"secret generic {name} " not in guide] == []


def test_memory_is_reserved_whole_and_the_object_store_fits_into_shared_memory(manifests):
    for group in [manifests.head, *manifests.workers]:
        spec = group["template"]["spec"]
        resources = spec["containers"][0]["resources"]
        (shared,) = (item for item in spec["volumes"] if item["name"] == "shared-memory")
        limit = quantity_bytes(shared["emptyDir"]["sizeLimit"])

        assert resources["requests"]["memory"] == resources["limits"]["memory"]
        assert shared["emptyDir"]["medium"] == "Memory"
        assert int(group["rayStartParams"]["object-store-memory"]) <= limit
        assert limit < quantity_bytes(resources["limits"]["memory"])


def test_every_volume_is_bounded_and_nothing_in_it_has_to_survive(manifests):
    for spec in manifests.pods:
        assert all("sizeLimit" in volume["emptyDir"] for volume in spec["volumes"])


def test_every_ray_container_can_write_where_it_must(manifests):
    for spec in manifests.ray_pods:
        mounts = spec["containers"][0]["volumeMounts"]

        assert {item["name"] for item in mounts} == {item["name"] for item in spec["volumes"]}
        assert {item["mountPath"] for item in mounts} == {
            "/tmp",
            "/tmp/ray",
            "/dev/shm",
            manifests.settings.home,
        }


def test_a_leaving_pod_has_time_to_drain(manifests):
    drain_s = manifests.settings.drain_ms / 1_000
    for group in manifests.workers:
        spec = group["template"]["spec"]
        command, pause_s = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]

        assert command == "sleep"
        assert spec["terminationGracePeriodSeconds"] >= int(pause_s) + drain_s + 5


def test_a_drain_of_hosts_can_go_on_and_leaves_replicas(manifests):
    spec = manifests.one("PodDisruptionBudget", "tradeplane-api")["spec"]

    # For pods of a custom resource Kubernetes takes a number of those that stay, and nothing else.
    assert "maxUnavailable" not in spec
    assert isinstance(spec["minAvailable"], int)
    assert spec["minAvailable"] < sum(group["minReplicas"] for group in manifests.workers)
    assert spec["minAvailable"] >= 1 or manifests.folder == "overlays/development"


def test_selectors_meet_the_workers_and_not_the_head(manifests):
    budget = manifests.one("PodDisruptionBudget", "tradeplane-api")["spec"]
    gateway = manifests.one("NetworkPolicy", "api-from-the-gateway")["spec"]
    selectors = [
        budget["selector"]["matchLabels"],
        gateway["podSelector"]["matchLabels"],
    ]
    for selector in selectors:
        for group in manifests.workers:
            labels = group["template"]["metadata"]["labels"] | WORKER
            assert selector.items() <= labels.items()
        labels = manifests.head["template"]["metadata"]["labels"] | HEAD
        assert not selector.items() <= labels.items()


def test_autoscaler_v2_is_chosen_once_and_pods_are_never_restarted_in_place(manifests):
    assert manifests.cluster["enableInTreeAutoscaling"] is True
    assert manifests.cluster["autoscalerOptions"]["version"] == "v2"
    for spec in manifests.ray_pods:
        names = {item["name"] for item in spec["containers"][0]["env"]}
        assert spec.get("restartPolicy", "Never") == "Never"
        assert "RAY_enable_autoscaler_v2" not in names


def test_the_operator_would_take_the_fields_that_its_schema_cannot_judge(manifests):
    """KubeRay refuses some combinations in code; these are the ones that these manifests touch."""
    names = {item["name"] for spec in manifests.ray_pods for item in spec["containers"][0]["env"]}

    assert not names & {"REDIS_PASSWORD", "RAY_REDIS_ADDRESS", "REDIS_USERNAME"}
    assert "upgradeStrategy" not in manifests.cluster
    assert not {"networkPolicy", "tlsOptions"} & manifests.cluster.keys()
    for group in [manifests.head, *manifests.workers]:
        assert "resources" not in group
        assert not {"redis-password", "labels", "resources"} & group["rayStartParams"].keys()


def incoming(manifests):
    """(port, namespace) pairs that may come in, besides the cluster's own pods."""
    found = set()
    for policy in manifests.documents:
        for rule in policy["spec"].get("ingress", []) if policy["kind"] == "NetworkPolicy" else []:
            assert rule["from"], "an empty list of peers lets everybody in"
            for peer in rule["from"]:
                if peer == CLUSTER:
                    continue
                selector = peer["namespaceSelector"]
                names = list(selector.get("matchLabels", {}).values())
                for expression in selector.get("matchExpressions", []):
                    names += expression["values"]
                assert names, "an empty selector lets every namespace in"
                found |= {(port["port"], name) for port in rule["ports"] for name in names}
    return found


def test_the_network_is_closed_but_for_the_ports_of_the_security_page(manifests):
    settings = manifests.settings

    assert manifests.one("NetworkPolicy", "default-deny")["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    assert incoming(manifests) == {
        (settings.http_port, "gateway"),
        (settings.http_port, "monitoring"),
        (8080, "monitoring"),
        (settings.dashboard_port, "kuberay-operator"),
        (settings.dashboard_port, "tradeplane-operators"),
    }


def test_every_way_out_is_bounded_to_ports_but_within_the_cluster(manifests):
    for policy in (item for item in manifests.documents if item["kind"] == "NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            assert rule == {"to": [CLUSTER]} or rule["ports"]
