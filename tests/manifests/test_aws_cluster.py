"""cluster.yaml by Ray's own validation, and against what Kubernetes gets."""

from __future__ import annotations

import copy
import re
import tomllib
import warnings

import pytest
import yaml

from tradeplane.settings import Settings, from_environment, variable

EXPORT = re.compile(r"\b(TRADEPLANE_\w+)=")


@pytest.fixture(scope="module")
def config(root):
    return yaml.safe_load((root / "cluster.yaml").read_text())


@pytest.fixture(scope="module")
def settings(root):
    lines = (root / "kuberay/base/settings.env").read_text().splitlines()
    return from_environment(dict(line.split("=", 1) for line in lines))


def validate(config):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own, on its import
        from ray.autoscaler._private.util import prepare_config, validate_config  # noqa: PLC0415  # see above
    validate_config(prepare_config(copy.deepcopy(config)))


def starts(config):
    """The commands that start Ray, on the head and on a worker."""
    (head,) = (item for item in config["head_start_ray_commands"] if "ray start" in item)
    (worker,) = (item for item in config["worker_start_ray_commands"] if "ray start" in item)
    return head, worker


def node_configs(config):
    return [item["node_config"] for item in config["available_node_types"].values()]


def test_ray_accepts_it(config):
    validate(config)


@pytest.mark.parametrize(
    ("section", "key"),
    [((), "idle_timeout_minuts"), (("docker",), "imagee"), (("available_node_types", "head"), "x")],
)
def test_ray_refuses_a_misspelled_key(config, section, key):
    broken = copy.deepcopy(config)
    part = broken
    for name in section:
        part = part[name]
    part[key] = 1

    with pytest.raises(Exception, match=key):
        validate(broken)


def test_no_default_of_ray_that_opens_or_installs_something_is_left(config):
    assert config["provider"]["use_internal_ips"] is True
    assert config["provider"]["cache_stopped_nodes"] is False
    for name in ("initialization", "setup", "head_setup", "worker_setup"):
        assert config[f"{name}_commands"] == []
    for node in node_configs(config):
        assert node["SecurityGroupIds"]
        assert node["SubnetIds"]
        assert node["IamInstanceProfile"]["Arn"]
        assert node["MetadataOptions"]["HttpTokens"] == "required"
        for disk in node["BlockDeviceMappings"]:
            assert disk["Ebs"]["Encrypted"] is True
            assert disk["Ebs"]["VolumeType"] == "gp3"


def test_head_and_workers_have_different_roles_and_groups(config):
    head = config["available_node_types"]["head"]["node_config"]
    workers = [node for node in node_configs(config) if node is not head]

    for node in workers:
        assert node["IamInstanceProfile"] != head["IamInstanceProfile"]
        assert node["SecurityGroupIds"] != head["SecurityGroupIds"]
        assert node["MetadataOptions"]["HttpPutResponseHopLimit"] == 1


def test_the_dashboard_listens_on_loopback(config, settings):
    head, worker = starts(config)

    assert "0.0.0.0" not in yaml.safe_dump(config)
    assert "--dashboard-host=127.0.0.1" in head
    assert f"--dashboard-port={settings.dashboard_port}" in head
    assert "dashboard" not in worker


def test_every_ray_process_demands_the_token(config):
    commands = config["head_start_ray_commands"] + config["worker_start_ray_commands"]
    for command in commands:
        if command != "ray stop":
            assert "RAY_AUTH_MODE=token" in command
            assert "RAY_AUTH_TOKEN_PATH=" in command


def test_head_and_workers_get_the_same_environment(config):
    head, worker = (command.split("ray start")[0] for command in starts(config))

    assert head == worker


def test_the_environment_is_the_one_of_kubernetes(config, root):
    known = {variable(name) for name in Settings.__struct_fields__}
    for command in starts(config):
        assert ". /home/tradeplane/kuberay/base/settings.env" in command
        assert set(EXPORT.findall(command)) == {"TRADEPLANE_DATABASE_URL"}
        assert set(EXPORT.findall(command)) <= known
    inside = root / "kuberay/base/settings.env"
    assert not set(EXPORT.findall(inside.read_text())) - known


def test_every_path_that_a_command_uses_is_mounted(config, root):
    mounts = config["file_mounts"]
    commands = " ".join(config["head_start_ray_commands"] + config["worker_start_ray_commands"])
    used = set(re.findall(r"/home/tradeplane/[\w./]+", commands))

    assert used
    for path in used:
        (mount,) = (item for item in mounts if path.startswith(f"{item}/"))
        local = mounts[mount]
        if not local.startswith("~"):
            assert (root / local / path.removeprefix(f"{mount}/")).is_file()


def test_secrets_lie_outside_of_the_repository(config):
    assert config["file_mounts"]["/home/tradeplane/secrets"].startswith("~/")


def test_the_image_is_the_one_of_kubernetes(config, root):
    overlay = yaml.safe_load((root / "kuberay/overlays/production/kustomization.yaml").read_text())
    (image,) = overlay["images"]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]

    assert config["docker"]["image"] == f"{image['newName']}:{image['newTag']}"
    assert image["newTag"] == project["version"]


def test_replicas_stay_off_nodes_that_the_cloud_may_take_back(config, root, settings):
    serve = yaml.safe_load((root / "kuberay/serve.yaml").read_text())
    (deployment,) = serve["applications"][0]["deployments"]
    types = config["available_node_types"]
    wanted = deployment["ray_actor_options"]["label_selector"]
    chosen = [item for item in types.values() if item.get("labels") == wanted]

    assert chosen
    for item in types.values():
        spot = "InstanceMarketOptions" in item["node_config"]
        assert spot == (item.get("labels") == {"market": "spot"})
    room = deployment["max_replicas_per_node"]
    assert settings.replicas_min <= room * sum(item["min_workers"] for item in chosen)
    assert settings.replicas_max <= room * sum(item["max_workers"] for item in chosen)


def test_the_head_does_no_work(config):
    head, _ = starts(config)

    assert config["available_node_types"][config["head_node_type"]]["resources"] == {"CPU": 0}
    assert "--num-cpus=0" in head
