"""The Compose file keeps to the Compose Specification, mounts what exists, and holds no secret."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

from tests.deploy.files import DOCKER, ROOT, entrypoint_roles, read_yaml

SCHEMA = json.loads((Path(__file__).parent / "compose_schema.json").read_text())
OURS = {"web", "deliveries", "sweeps", "beat", "migrate"}
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::?[-?][^}]*)?\}")


@pytest.fixture
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = read_yaml("compose.yml")
    return loaded


def _example() -> dict[str, str]:
    lines = (DOCKER / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_file_keeps_to_the_specification(compose: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(compose)


@pytest.mark.parametrize(
    ("service", "key", "value"),
    [
        ("web", "depends_on", {"migrate": {"condition": "service_done"}}),
        ("web", "restarts", "always"),
        ("postgres", "image", "postgres"),
        ("rabbitmq", "ports", ["15672"]),
        ("sweeps", "healthcheck", {"test": ["celery"]}),
    ],
)
def test_a_mistake_is_caught(compose: dict[str, Any], service: str, key: str, value: object) -> None:
    broken = copy.deepcopy(compose)
    broken["services"][service][key] = value

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(broken)


def test_the_stack_of_the_article_is_there(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) >= OURS | {
        "gateway",
        "postgres",
        "rabbitmq",
        "stripe",
        "otel",
        "jaeger",
        "prometheus",
        "grafana",
    }


def test_dependencies_networks_and_volumes_exist(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for other, how in service.get("depends_on", {}).items():
            health = compose["services"][other]["healthcheck"]
            assert how["condition"] != "service_healthy" or "test" in health, f"{name} waits for {other} for ever"
        assert set(service["networks"]) <= set(compose["networks"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DOCKER / source).exists() if source.startswith("./") else source in compose["volumes"], volume


def test_services_meet_those_they_depend_on_in_a_network(compose: dict[str, Any]) -> None:
    services = compose["services"]

    for service in services.values():
        for other in service.get("depends_on", {}):
            assert set(service["networks"]) & set(services[other]["networks"])


def test_only_the_gateway_listens_to_the_world(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for port in service.get("ports", []):
            assert name == "gateway" or port.startswith("127.0.0.1:")
        # Docker publishes no port of a container that is in internal networks only.
        if service.get("ports"):
            assert any(not compose["networks"][network].get("internal") for network in service["networks"])


def test_our_containers_are_closed(compose: dict[str, Any]) -> None:
    for name in OURS | {"stripe"}:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp"]
        assert "no-new-privileges:true" in service["security_opt"]


def test_every_command_is_a_role_of_the_image(compose: dict[str, Any]) -> None:
    for name in OURS:
        assert compose["services"][name]["command"][0] in entrypoint_roles()
        health = compose["services"][name]["healthcheck"]
        assert "disable" in health or health["test"][2] in entrypoint_roles()


def test_no_secret_stands_in_the_file(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|PASS$|SECRET|_KEY$|DATABASE_URL|BROKER_URL|EMAIL_URL", name):
                assert VARIABLE.search(value), f"{name} is written out"
                assert not re.search(r"://[^:/]+:(?!\$\{)[^@]+@", value), f"{name} holds a password"


def test_every_variable_of_the_file_is_in_the_example(compose: dict[str, Any]) -> None:
    optional = {"SHOP_IMAGE"}
    used = set(VARIABLE.findall(json.dumps(compose)))

    assert used - optional == set(_example())


def test_a_setting_without_a_line_of_its_own_reaches_every_process(compose: dict[str, Any]) -> None:
    """In .env it would do nothing, and nobody would be told."""
    for name in OURS:
        assert compose["services"][name]["env_file"] == [{"path": "shop.env", "required": False}], name
    assert "/docker/shop.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_example_holds_nothing_real() -> None:
    for name, value in _example().items():
        if re.search(r"PASSWORD|^SECRET_KEY$", name):
            assert value.startswith("CHANGE-ME"), name
    assert _example()["STRIPE_API_KEY"] == "sk_test_sandbox"
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_workers_have_longer_to_stop_than_a_task_may_run(compose: dict[str, Any]) -> None:
    from django.conf import settings

    for name in ("deliveries", "sweeps"):
        assert int(compose["services"][name]["stop_grace_period"].rstrip("s")) > settings.CELERY_TASK_TIME_LIMIT


def test_a_browser_reaches_the_bank_of_the_test_cards(compose: dict[str, Any]) -> None:
    bank = urlsplit(_example()["STRIPE_TEST_BANK"])

    assert compose["services"]["stripe"]["ports"] == [f"127.0.0.1:{bank.port}:12111"]
    assert "console" in compose["services"]["stripe"]["networks"]
    assert compose["services"]["web"]["environment"]["STRIPE_TEST_BANK"] == "${STRIPE_TEST_BANK-}"
