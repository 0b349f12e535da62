"""The manifests of services: Pod Security, probes, numbers that they share, what may be reached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from shell import Cli

Base = Callable[..., dict[str, Any]]
# One domain of each template that has manifests.
BOTH = ("http-api", "http-gateway")


@pytest.fixture
def base(cli: Cli, template_tree: Path) -> Base:
    """The objects of `deploy/base` by their kinds, for some answers."""

    def emit(*answers: str, domain: str = "http-api") -> dict[str, Any]:
        answers = (*answers, "project_name=telemetry")
        settings = [part for answer in answers for part in ("--set", answer)]
        made = cli.bedplate(
            "new", "it", "--domain", domain, "--defaults", "--source", template_tree, *settings
        )
        assert made.returncode == 0, made.stderr
        files = (cli.directory / "it/deploy/base").glob("*.yaml")
        objects = [yaml.safe_load(file.read_text()) for file in files]
        return {each["kind"]: each for each in objects}

    return emit


@pytest.mark.parametrize("domain", BOTH)
def test_nothing_is_asked_for_that_pod_security_restricted_forbids(base: Base, domain: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    pod = base(domain=domain)["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize("domain", BOTH)
def test_probes_are_on_the_admin_port_and_only_readiness_takes_traffic_away(base: Base, domain: str) -> None:
    container = base(domain=domain)["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {
        "http": 8080,
        "admin": 9090,
    }
    probes = {name: container[name] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: probe["httpGet"] for name, probe in probes.items()} == {
        "startupProbe": {"path": "/livez", "port": "admin"},
        "livenessProbe": {"path": "/livez", "port": "admin"},
        "readinessProbe": {"path": "/readyz", "port": "admin"},
    }
    assert {name: (probe["periodSeconds"], probe["failureThreshold"]) for name, probe in probes.items()} == {
        "startupProbe": (1, 30),
        "livenessProbe": (10, 3),
        "readinessProbe": (5, 2),
    }


def test_go_collects_before_the_kernel_kills(base: Base) -> None:
    container = base()["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"] == {
        "requests": {"cpu": "100m", "memory": "64Mi"},
        "limits": {"memory": "256Mi"},
    }
    assert {"name": "GOMEMLIMIT", "value": "230MiB"} in container["env"]


@pytest.mark.parametrize("database", ["memory", "sqlite"])
def test_what_one_instance_keeps_has_one_replica_that_is_replaced(base: Base, database: str) -> None:
    spec = base(f"database={database}")["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert (spec["minReadySeconds"], spec["revisionHistoryLimit"]) == (5, 3)
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 35


@pytest.mark.parametrize(("domain", "answers"), [("http-api", ("database=postgres",)), ("http-gateway", ())])
def test_instances_that_keep_nothing_are_replaced_without_one_missing(
    base: Base, domain: str, answers: tuple[str, ...]
) -> None:
    spec = base(*answers, domain=domain)["Deployment"]["spec"]
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert (spec["replicas"], spec["strategy"]) == (2, rolling)


@pytest.mark.parametrize(("database", "count"), [("memory", 0), ("postgres", 1), ("sqlite", 1)])
def test_the_schema_is_brought_up_to_date_before_an_instance_starts(
    base: Base, database: str, count: int
) -> None:
    pod = base(f"database={database}")["Deployment"]["spec"]["template"]["spec"]
    before = pod.get("initContainers", [])
    assert [container["args"] for container in before] == [["migrate", "up"]] * count
    for container in before:
        assert container["securityContext"] == pod["containers"][0]["securityContext"]
        assert container["envFrom"] == pod["containers"][0]["envFrom"]


def test_a_file_of_readings_outlives_its_pod(base: Base) -> None:
    objects = base("database=sqlite")
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    claim = objects["PersistentVolumeClaim"]["metadata"]["name"]
    assert pod["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["volumeMounts"] == [{"name": "data", "mountPath": "/var/lib/telemetry"}]
    assert pod["securityContext"]["fsGroup"] == 65532


@pytest.mark.parametrize(
    ("answers", "ports"),
    [
        (("tracing=false",), [{53}]),
        ((), [{53}, {4318}]),
        (("auth=oidc", "tracing=false"), [{53}, {443}]),
        (("database=postgres", "auth=oidc"), [{53}, {5432}, {443}, {4318}]),
        (("database=sqlite",), [{53}, {4318}]),
    ],
)
def test_the_pod_reaches_names_and_what_was_chosen(
    base: Base, answers: tuple[str, ...], ports: list[set[int]]
) -> None:
    policy = base(*answers)["NetworkPolicy"]["spec"]
    assert [{port["port"] for port in rule["ports"]} for rule in policy["egress"]] == ports
    assert policy["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize("domain", BOTH)
def test_metrics_and_profiles_are_for_monitoring_alone(base: Base, domain: str) -> None:
    ingress = base(domain=domain)["NetworkPolicy"]["spec"]["ingress"]
    admin = [rule for rule in ingress if {"port": "admin"} in rule["ports"]]
    monitoring = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    assert [rule["from"] for rule in admin] == [[{"namespaceSelector": monitoring}]]


@pytest.mark.parametrize(("domain", "protocol"), [("http-api", None), ("rpc-api", "kubernetes.io/h2c")])
def test_proxies_are_told_where_http_2_has_to_be_spoken(
    base: Base, domain: str, protocol: str | None
) -> None:
    port = base(domain=domain)["Service"]["spec"]["ports"][0]
    assert port.get("appProtocol") == protocol


def test_a_gateway_mounts_its_settings_where_the_image_looks_for_them(base: Base) -> None:
    pod = base(domain="http-gateway")["Deployment"]["spec"]["template"]["spec"]
    assert pod["volumes"] == [{"name": "config", "configMap": {"name": "telemetry"}}]
    mounts = [{"name": "config", "mountPath": "/etc/telemetry", "readOnly": True}]
    assert pod["containers"][0]["volumeMounts"] == mounts
