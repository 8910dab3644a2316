"""The manifests are what the cluster accepts, and what they promise: no secret, no root, no way in but the named ones."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deploy.files import DOCKER, entrypoint_roles
from tests.deploy.kustomize import Manifest, build, config_map_references, containers, copy_of, pod_spec
from tests.patience import DEPLOYED_READY_LIMIT_SECONDS

OVERLAYS = ["production", "development"]
# The oldest release and the newest one of those that Kubernetes still supported when this was written.
KUBERNETES = ["1.34", "1.37"]
OURS = {"web", "deliveries", "sweeps", "beat", "migrate", "stripe"}


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return build(DOCKER / "kubernetes" / "overlays" / request.param)


def _find(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = [each for each in manifests if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def _faults(manifests: list[Manifest]) -> list[str]:
    """Return everything in which a workload is less closed than it should be."""
    faults = []
    for manifest in manifests:
        spec = pod_spec(manifest)
        if spec is None:
            continue
        name = manifest["metadata"]["name"]
        context = spec.get("securityContext", {})
        if not context.get("runAsNonRoot") or context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            faults.append(f"{name}: the pod may run as root, or without a seccomp profile")
        if spec.get("automountServiceAccountToken") is not False:
            faults.append(f"{name}: a token for the Kubernetes API lies in the pod")
        for container in containers(manifest):
            where = f"{name}/{container['name']}"
            security = container.get("securityContext", {})
            if security.get("allowPrivilegeEscalation") is not False or security.get("capabilities") != {
                "drop": ["ALL"]
            }:
                faults.append(f"{where}: privileges are left")
            if name in OURS and security.get("readOnlyRootFilesystem") is not True:
                faults.append(f"{where}: the root can be written")
            if (
                "memory" not in container.get("resources", {}).get("limits", {})
                or "requests" not in container["resources"]
            ):
                faults.append(f"{where}: no resources are stated")
            if ":" not in container["image"] or container["image"].endswith(":latest"):
                faults.append(f"{where}: {container['image']} isn't pinned")
            faults += [
                f"{where}: {variable['name']} stands in the open"
                for variable in container.get("env", [])
                if "value" in variable and _is_secret(variable["name"])
            ]
    return faults


def _is_secret(variable: str) -> bool:
    return any(
        word in variable for word in ("KEY", "SECRET", "PASS", "TOKEN", "DATABASE_URL", "BROKER_URL", "EMAIL_URL")
    )


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_valid_for_kubernetes(manifests: list[Manifest], version: str) -> None:
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_validator_catches_a_misspelled_field(manifests: list[Manifest]) -> None:
    broken = copy_of(manifests)
    containers(_find(broken, "Deployment", "web"))[-1]["livenessProb"] = {}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(_find(broken, "Deployment", "web"), KUBERNETES[-1], strict=True)


def test_workloads_are_closed(manifests: list[Manifest]) -> None:
    assert _faults(manifests) == []


def test_an_open_workload_is_caught(manifests: list[Manifest]) -> None:
    broken = copy_of(manifests)
    web = containers(_find(broken, "Deployment", "web"))[-1]
    web["env"].append({"name": "STRIPE_API_KEY", "value": "sk_live_x"})
    web["securityContext"]["readOnlyRootFilesystem"] = False
    web["image"] = "shop:latest"

    assert len(_faults(broken)) == 3


def test_no_secret_and_no_secret_value_is_in_the_manifests(manifests: list[Manifest]) -> None:
    assert [each for each in manifests if each["kind"] == "Secret"] == []
    for config_map in (each for each in manifests if each["kind"] == "ConfigMap"):
        assert [name for name in config_map["data"] if _is_secret(name)] == []


def test_web_is_three_and_is_asked_whether_it_lives_and_is_ready() -> None:
    base = build(DOCKER / "kubernetes" / "base")

    deployment = _find(base, "Deployment", "web")

    (web,) = containers(deployment)
    assert deployment["spec"]["replicas"] == 3
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    (port,) = [port["containerPort"] for port in web["ports"] if port["name"] == "health"]
    assert {"name": "HEALTH_PORT", "value": str(port)} in web["env"]
    assert deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(port)
    assert web["livenessProbe"]["httpGet"] == web["startupProbe"]["httpGet"] == {"path": "/health", "port": "health"}
    assert web["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "health"}
    assert web["readinessProbe"]["timeoutSeconds"] > DEPLOYED_READY_LIMIT_SECONDS


def test_production_lets_the_autoscaler_choose_from_three_up() -> None:
    production = build(DOCKER / "kubernetes" / "overlays" / "production")

    assert "replicas" not in _find(production, "Deployment", "web")["spec"]
    assert _find(production, "HorizontalPodAutoscaler", "web")["spec"]["minReplicas"] == 3
    assert not [each for each in production if each["kind"] == "StatefulSet"]


def test_every_selector_and_reference_finds_its_object(manifests: list[Manifest]) -> None:
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in manifests if pod_spec(each)]
    names = {(each["kind"], each["metadata"]["name"]) for each in manifests}
    selectors: list[dict[str, str]] = []
    for each in manifests:
        if each["kind"] == "Service":
            selectors.append(each["spec"]["selector"])
        elif each["kind"] in {"PodDisruptionBudget", "Deployment", "StatefulSet"}:
            selectors.append(each["spec"]["selector"]["matchLabels"])
        elif each["kind"] == "HorizontalPodAutoscaler":
            target = each["spec"]["scaleTargetRef"]
            assert (target["kind"], target["name"]) in names
        elif each["kind"] == "Ingress":
            paths = [path for rule in each["spec"]["rules"] for path in rule["http"]["paths"]]
            assert {("Service", path["backend"]["service"]["name"]) for path in paths} <= names

    for selector in selectors:
        assert any(selector.items() <= pod.items() for pod in labels), selector
    for each in manifests:
        for reference in config_map_references(each):
            assert ("ConfigMap", reference["name"]) in names
        if each["kind"] == "Service":
            _ports_exist(each, manifests)


def _ports_exist(service: Manifest, manifests: list[Manifest]) -> None:
    for port in service["spec"]["ports"]:
        assert any(
            port["targetPort"]
            in {named["name"] for container in containers(each) for named in container.get("ports", [])}
            for each in manifests
            if pod_spec(each)
            and service["spec"]["selector"].items() <= each["spec"]["template"]["metadata"]["labels"].items()
        ), f"{service['metadata']['name']}: nobody listens on {port['targetPort']}"


def test_outsiders_reach_neither_metrics_nor_readiness(manifests: list[Manifest]) -> None:
    paths = [path for rule in _find(manifests, "Ingress", "shop")["spec"]["rules"] for path in rule["http"]["paths"]]

    for path in paths:
        exact = path["pathType"] == "Exact"
        for inside in ("/metrics", "/ready"):
            assert inside != path["path"] if exact else not inside.startswith(path["path"])


def test_network_is_closed_by_default(manifests: list[Manifest]) -> None:
    spec = _find(manifests, "NetworkPolicy", "default-deny")["spec"]

    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_command_is_a_role_of_the_image(manifests: list[Manifest]) -> None:
    roles = entrypoint_roles()

    for manifest in manifests:
        for container in containers(manifest):
            if manifest["metadata"]["name"] in OURS - {"stripe"}:
                assert container["args"][0] in roles
                assert "command" not in container, "the image's entrypoint starts every role"


def test_workers_and_beat_wait_for_the_migrations(manifests: list[Manifest]) -> None:
    for name in ("deliveries", "sweeps", "beat"):
        first = containers(_find(manifests, "Deployment", name))[0]
        assert first["args"] == ["await-migrations"]
    assert _find(manifests, "Deployment", "beat")["spec"]["strategy"] == {"type": "Recreate"}


def test_workers_have_longer_to_stop_than_a_task_may_run(manifests: list[Manifest]) -> None:
    from django.conf import settings

    for name in ("deliveries", "sweeps"):
        spec = pod_spec(_find(manifests, "Deployment", name))
        assert spec is not None
        assert spec["terminationGracePeriodSeconds"] > settings.CELERY_TASK_TIME_LIMIT


@pytest.mark.parametrize("overlay", [*OVERLAYS, "../base"])
def test_our_build_gives_what_kubectl_gives(overlay: str) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl here to compare with")
    folder = (DOCKER / "kubernetes" / "overlays" / overlay).resolve()
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=True)

    def by_name(objects: list[Any]) -> dict[Any, Any]:
        return {(each["kind"], each["metadata"]["name"]): each for each in objects}

    assert by_name(build(folder)) == by_name(list(yaml.safe_load_all(done.stdout)))
