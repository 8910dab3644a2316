"""One list of environment variables: what the code reads, what docs/configuration.md tells, what docker/ provides."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from shop.contexts import CONTEXTS
from tests.deploy.files import DOCKER, ENTRYPOINT, ROOT, read_yaml
from tests.deploy.kustomize import Manifest, build, containers

PAGE = ROOT / "docs" / "configuration.md"
SOURCES = ("config", "local", "shop", *CONTEXTS)
NAME = re.compile(r"[A-Z][A-Z0-9_]{2,}")
# Read by the machine, by libraries themselves, or within this checkout's own processes only.
FOREIGN = {"PATH", "HOME", "LC_ALL", "TZ"}
LIBRARIES = {"OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "PROMETHEUS_MULTIPROC_DIR", "DJANGO_SETTINGS_MODULE"}
OURS = {"web", "deliveries", "sweeps", "beat", "migrate"}


def _read_by(path: Path) -> set[str]:
    """Return the variables that a Python file asks an environment for."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in {"os.environ", "env.ENVIRON"}:
            found |= _constants([node.slice])
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if re.fullmatch(r"(os\.environ|env|environ|env\.ENVIRON)(\.\w+)?|os\.getenv", called):
            found |= _constants(node.args[:1])
        elif called in {"_whole_number", "_is_on"}:
            found |= _constants(node.args[1:2])
    return {name for name in found if NAME.fullmatch(name)}


def _constants(nodes: list[ast.expr]) -> set[str]:
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@functools.cache
def read_by_the_code() -> frozenset[str]:
    """Return every variable that a deployment may set."""
    found = set(LIBRARIES) | {"DATABASE_URL"} | {f"{context.upper()}_DATABASE_URL" for context in CONTEXTS}
    for path in [DOCKER / "gunicorn.conf.py", *(file for source in SOURCES for file in (ROOT / source).rglob("*.py"))]:
        found |= _read_by(path)
    return frozenset(found | set(re.findall(r"\$\{([A-Z_]+):-", ENTRYPOINT.read_text()))) - FOREIGN


def documented() -> set[str]:
    """Return every variable that the page tells of."""
    return set(re.findall(r"^\| `([A-Z0-9_]+)` \|", PAGE.read_text(), re.MULTILINE))


def required_by_mark() -> dict[str, set[str]]:
    """Return what production settings refuse to start without, always and with one adapter; by how the page marks it."""
    text = (ROOT / "config" / "settings" / "production.py").read_text()
    (always,) = re.findall(r"^_required = \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    with_one = re.findall(
        r'^if \w+ == "(?:\w+\.gateways\.)?(\w+)[\w.]*":\n    _required \+= \[(.*?)\]', text, re.MULTILINE | re.DOTALL
    )
    assert text.count("_required += ") == len(with_one) > 0
    marked = {f"required with {adapter.capitalize()}": set(NAME.findall(names)) for adapter, names in with_one}
    return {"required": set(NAME.findall(always))} | marked


def required() -> set[str]:
    """Return what compose and the manifests have to give to a shop with Stripe, the provider that they are delivered with."""
    marked = required_by_mark()
    return marked["required"] | marked["required with Stripe"]


def _provided_by_kubernetes(manifests: list[Manifest]) -> dict[str, set[str]]:
    data = {each["metadata"]["name"]: set(each["data"]) for each in manifests if each["kind"] == "ConfigMap"}
    return {
        f"{each['metadata']['name']}/{container['name']}": {variable["name"] for variable in container.get("env", [])}
        | set().union(*(data[source["configMapRef"]["name"]] for source in container.get("envFrom", [])))
        for each in manifests
        for container in containers(each)
        if container["image"].partition(":")[0].endswith("shop") and each["metadata"]["name"] in OURS
    }


def test_page_tells_of_every_variable_and_of_no_other() -> None:
    assert sorted(read_by_the_code() - documented()) == [], "not in docs/configuration.md"
    assert sorted(documented() - read_by_the_code()) == [], "in docs/configuration.md, and nobody reads it"


def test_page_says_what_is_required() -> None:
    page = PAGE.read_text()
    for mark, names in required_by_mark().items():
        assert set(re.findall(rf"^\| `([A-Z_]+)` \| \*\*{mark}\*\*", page, re.MULTILINE)) == names


def test_page_gives_the_default_of_each_plain_setting() -> None:
    """Compare numbers and words that settings/base.py gives as they stand."""
    text = (ROOT / "config" / "settings" / "base.py").read_text()
    page = PAGE.read_text()
    for name, default in re.findall(r"env\.(?:int|float)\(\"([A-Z_]+)\", ([0-9*_. ]+)\)", text):
        shown = f"{eval(default, {}):g}"
        assert re.search(rf"^\| `{name}` \| `{re.escape(shown)}`", page, re.MULTILINE), f"{name} is {shown} by default"


@pytest.mark.parametrize("service", sorted(OURS))
def test_compose_sets_what_is_required_and_nothing_unknown(service: str) -> None:
    given = read_yaml("compose.yml")["services"][service]["environment"].keys()

    assert sorted(required() - given) == []
    assert sorted(given - read_by_the_code()) == []


@pytest.mark.parametrize("overlay", ["production", "development"])
def test_kubernetes_sets_what_is_required_and_nothing_unknown(overlay: str) -> None:
    provided = _provided_by_kubernetes(build(DOCKER / "kubernetes" / "overlays" / overlay))

    assert {name.split("/")[0] for name in provided} == OURS
    for container, given in provided.items():
        assert sorted(required() - given) == [], container
        assert sorted(given - read_by_the_code()) == [], container


def test_compose_insists_on_no_variable_of_one_provider() -> None:
    of_stripe = required_by_mark()["required with Stripe"]
    insisted = set(re.findall(r"\$\{([A-Z_]+):?\?", (DOCKER / "compose.yml").read_text()))

    assert "INSTALLATION_NAME" in insisted
    assert insisted & of_stripe == set()
    for service in OURS:
        assert read_yaml("compose.yml")["services"][service]["environment"]["PAYMENT_PROVIDER"].startswith("${PAYMENT_")


@pytest.mark.parametrize("overlay", ["production", "development"])
def test_kubernetes_insists_on_no_key_of_one_provider(overlay: str) -> None:
    of_stripe = required_by_mark()["required with Stripe"]
    manifests = build(DOCKER / "kubernetes" / "overlays" / overlay)
    of_ours = [c for m in manifests if m["metadata"]["name"] in OURS for c in containers(m)]
    keys = [v for c in of_ours for v in c.get("env", []) if "valueFrom" in v]

    assert of_stripe <= {variable["name"] for variable in keys}
    for variable in keys:
        optional = variable["valueFrom"]["secretKeyRef"].get("optional", False)
        assert optional == (variable["name"] in of_stripe), variable["name"]


def test_sandbox_is_given_only_what_it_reads() -> None:
    reads = _read_by(ROOT / "local" / "stripe" / "__main__.py")
    assert reads == {"STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"}

    assert read_yaml("compose.yml")["services"]["stripe"]["environment"].keys() == reads
    development = build(DOCKER / "kubernetes" / "overlays" / "development")
    (stripe,) = [c for m in development if m["metadata"]["name"] == "stripe" for c in containers(m)]
    assert {variable["name"] for variable in stripe["env"]} - {"SHOP_ROLE"} == reads


def test_every_key_of_the_secret_is_documented() -> None:
    text = (ROOT / "docs" / "deployment.md").read_text()
    manifests = build(DOCKER / "kubernetes" / "overlays" / "development")
    for container in (container for manifest in manifests for container in containers(manifest)):
        for variable in container.get("env", []):
            if "valueFrom" in variable:
                assert f"`{variable['valueFrom']['secretKeyRef']['key']}`" in text


def test_image_sets_only_what_is_read() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    runtime = text[text.index("AS runtime") :]
    given = set(re.findall(r"\b([A-Z_]+)=", re.sub(r"RUN.*?(?<!\\)\n", "", runtime, flags=re.DOTALL))) - {"PATH"}
    assert "DJANGO_SETTINGS_MODULE" in given

    assert {name for name in given if not name.startswith("PYTHON")} <= read_by_the_code()
