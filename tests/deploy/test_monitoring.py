"""Alerts, dashboard and collectors: well formed, about metrics that the code has, and each alert with its runbook."""

from __future__ import annotations

import ast
import functools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shop import topology
from shop.contexts import CONTEXTS
from shop.observability.tracing import SLOW_SECONDS
from tests.deploy.files import DOCKER, ROOT, read_yaml
from tests.deploy.promql import PromqlError, parse

RUNBOOKS = ROOT / "docs" / "runbooks"
SOURCES = ("shop", *CONTEXTS)
KINDS = {"Counter", "Gauge", "Histogram", "Summary", "GaugeMetricFamily", "register_gauge"}
ALERTS_SCHEMA = {
    "type": "object",
    "required": ["groups"],
    "additionalProperties": False,
    "properties": {
        "groups": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "rules"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string"},
                    "rules": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["alert", "expr", "for", "labels", "annotations"],
                            "additionalProperties": False,
                            "properties": {
                                "alert": {"type": "string", "pattern": "^[A-Z][A-Za-z]+$"},
                                "expr": {"type": "string"},
                                "for": {"type": "string", "pattern": "^[0-9]+[smh]$"},
                                "labels": {
                                    "type": "object",
                                    "required": ["severity"],
                                    "properties": {"severity": {"enum": ["page", "ticket"]}},
                                },
                                "annotations": {
                                    "type": "object",
                                    "required": ["summary", "runbook_url"],
                                    "additionalProperties": {"type": "string"},
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}


def _rules() -> list[dict[str, Any]]:
    return [rule for group in read_yaml("prometheus/alerts.yml")["groups"] for rule in group["rules"]]


def _dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DOCKER / "grafana" / "dashboards" / "shop.json").read_text())
    return loaded


def _panels() -> list[dict[str, Any]]:
    return [panel for panel in _dashboard()["panels"] if panel["type"] != "row"]


def _expressions() -> list[str]:
    return [rule["expr"] for rule in _rules()] + [target["expr"] for panel in _panels() for target in panel["targets"]]


@functools.cache
def _metrics_of_the_code() -> dict[str, str]:
    """Return each metric that the code defines by a call, as Prometheus shows it, with how it was made."""
    found = {}
    for path in (path for source in SOURCES for path in (ROOT / source).rglob("*.py")):
        tree = ast.parse(path.read_text())
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        made = {
            getattr(call.func, "id", getattr(call.func, "attr", "")): True for call in calls if _named(call) in KINDS
        }
        for call in calls:
            if _named(call) in KINDS and call.args and isinstance(call.args[0], ast.Constant):
                found.update(_shown(str(call.args[0].value), _named(call)))
        if "register_gauge" in made:
            # Registered in a loop: the names stand beside it as plain strings.
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and re.fullmatch(r"shop_[a-z_]+", str(node.value)):
                    found.setdefault(str(node.value), "Gauge")
    return found


def _named(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def _shown(name: str, kind: str) -> dict[str, str]:
    if kind == "Counter":
        return {f"{name.removesuffix('_total')}_total": "Counter"}
    if kind == "Histogram":
        return {f"{name}{suffix}": "Counter" for suffix in ("_bucket", "_count", "_sum")}
    return {name: "Gauge"}


@functools.cache
def _metrics_of_django() -> dict[str, str]:
    import django_prometheus.db.metrics
    import django_prometheus.middleware

    found = {}
    for module in (django_prometheus.middleware, django_prometheus.db.metrics):
        source = Path(module.__file__).read_text()
        for kind, name in re.findall(r"\b(Counter|Histogram|Gauge),\s*\"(\w+)\"", source) + re.findall(
            r"\b(Counter|Histogram|Gauge)\(\s*\"(\w+)\"", source
        ):
            found.update(_shown(name, kind))
    return found


def test_alerts_are_well_formed() -> None:
    jsonschema.validate(read_yaml("prometheus/alerts.yml"), ALERTS_SCHEMA)
    names = [rule["alert"] for rule in _rules()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("expression", _expressions())
def test_expression_is_promql(expression: str) -> None:
    assert parse(expression).metrics


@pytest.mark.parametrize(
    "expression",
    [
        "sum(rate(a_total[5m])",
        "rate(a_total)",
        "rates(a_total[5m])",
        "sum by context (a)",
        'a{b~"c"}',
        "a > > 1",
        "a[5]",
        "max(a) 1",
    ],
)
def test_broken_expression_is_caught(expression: str) -> None:
    with pytest.raises(PromqlError):
        parse(expression)


def test_every_metric_exists() -> None:
    """Those of other components are asked of them: tests/acceptance/test_scrape.py."""
    ours, django = _metrics_of_the_code(), _metrics_of_django()

    named = set().union(*(parse(expression).metrics for expression in _expressions()))

    others = {metric for metric in named if metric.startswith("rabbitmq_")} | {"up"}
    assert sorted(named - ours.keys() - django.keys() - others) == []


def test_only_counters_are_rated() -> None:
    kinds = {**_metrics_of_the_code(), **_metrics_of_django()}

    for expression in _expressions():
        for metric in parse(expression).rated:
            assert kinds.get(metric, "Counter") == "Counter", f"{metric} may fall: {expression}"


def test_what_stays_in_a_dead_queue_is_told_of_for_every_context() -> None:
    (rule,) = [rule for rule in _rules() if rule["alert"] == "DeadQueueNotCollected"]
    patterns = re.findall(r'queue=~"([^"]+)"', rule["expr"])

    for context in topology.HEARING:
        assert all(re.fullmatch(pattern, topology.dead_queue(context).name) for pattern in patterns)
    assert not any(re.fullmatch(pattern, topology.events_queue("orders").name) for pattern in patterns)
    assert {"rabbitmq_queue_messages_ready", "rabbitmq_queue_messages_unacked"} <= parse(rule["expr"]).metrics


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    for rule in _rules():
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}

    assert pages == {rule["alert"] for rule in _rules()}


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("[A-Z]*.md")), ids=lambda path: path.stem)
def test_runbook_says_what_look_do_and_over(path: Path) -> None:
    text = path.read_text()
    if path.stem == "README":
        return

    assert text.startswith(f"# {path.stem}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["What it means", "Look", "Do", "Over"]
    for command in re.findall(r"manage (\w+)", text):
        assert _is_command(command), f"{path.name} names the command {command}, which nobody has"


# What staff click elsewhere: the texts of the admin are in the code, these are RabbitMQ's management page's.
MANAGEMENT_PAGE = {"Get messages", "Automatic ack"}
ITALIC = re.compile(r"(?<![*\w])\*([A-Z][^*]+)\*(?![*\w])")


def _named_panels(text: str) -> set[str]:
    """Return what a runbook sets in italics, a capital first, and neither the admin nor RabbitMQ's page has."""
    names = {" ".join(name.split()) for name in ITALIC.findall(text)} - MANAGEMENT_PAGE
    pages = [page for context in ("orders", "payments", "shipping") for page in (ROOT / context).rglob("*.py")]
    admin = "".join(page.read_text() for page in pages if "admin" in (page.stem, page.parent.name))
    return {name for name in names if f'"{name}"' not in admin}


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("[A-Z]*.md")), ids=lambda path: path.stem)
def test_panels_that_a_runbook_names_are_on_the_dashboard(path: Path) -> None:
    titles = {panel["title"] for panel in _panels()}

    assert _named_panels(path.read_text()) - titles == set()


def test_a_panel_that_nobody_has_would_be_noticed() -> None:
    text = "Panel *Expired\n  reservations*, **Not a panel**, *walked since*, *Get messages*; panel *No such thing*."

    assert _named_panels(text) == {"Expired reservations", "No such thing"}


def _is_command(name: str) -> bool:
    known = {"check", "migrate", "shell", "dbshell", "showmigrations", "createsuperuser"}
    return name in known or any((ROOT / source / "management/commands" / f"{name}.py").exists() for source in SOURCES)


def test_dashboard_is_whole() -> None:
    dashboard = _dashboard()
    ids = [panel["id"] for panel in dashboard["panels"]]
    places = [panel["gridPos"] for panel in dashboard["panels"]]

    assert len(ids) == len(set(ids))
    assert dashboard["uid"]
    for panel in _panels():
        assert panel["title"]
        assert panel["datasource"]["uid"] == "prometheus"
        assert all(target["expr"] for target in panel["targets"])
    for index, one in enumerate(places):
        assert one["x"] + one["w"] <= 24
        for other in places[index + 1 :]:
            assert not (
                one["x"] < other["x"] + other["w"]
                and other["x"] < one["x"] + one["w"]
                and one["y"] < other["y"] + other["h"]
                and other["y"] < one["y"] + one["h"]
            ), "two panels overlap"


def test_dashboard_finds_its_data_source_and_its_folder() -> None:
    sources = read_yaml("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    (provider,) = read_yaml("grafana/provisioning/dashboards/shop.yaml")["providers"]
    volumes = read_yaml("compose.yml")["services"]["grafana"]["volumes"]

    assert "prometheus" in {source["uid"] for source in sources}
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in volumes


def test_prometheus_asks_services_that_exist_where_they_answer() -> None:
    services = read_yaml("compose.yml")["services"]
    configuration = read_yaml("prometheus/prometheus.yml")
    assert configuration["rule_files"] == ["/etc/prometheus/alerts.yml"]
    jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}

    assert {"web", "worker", "rabbitmq"} <= jobs.keys()
    for job, names in (("web", ["web"]), ("worker", ["deliveries", "sweeps"])):
        (found,) = jobs[job]["dns_sd_configs"]
        assert found["names"] == names
        for name in names:
            assert set(services[name]["networks"]) & set(services["prometheus"]["networks"])
    assert jobs["web"]["dns_sd_configs"][0]["port"] == int(services["web"]["environment"]["HEALTH_PORT"])
    for name in ("deliveries", "sweeps"):
        assert jobs["worker"]["dns_sd_configs"][0]["port"] == int(services[name]["environment"]["METRICS_PORT"])
    named = {job for expression in _expressions() for job in re.findall(r'job="(\w+)"', expression)}
    assert named <= jobs.keys()


def test_collector_pipelines_name_what_is_configured() -> None:
    configuration = read_yaml("otel/config.yaml")
    services = read_yaml("compose.yml")["services"]

    for pipeline in configuration["service"]["pipelines"].values():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= configuration[part].keys()
        assert pipeline["processors"][0] == "memory_limiter"
    for exporter in configuration["exporters"].values():
        assert re.fullmatch(r"http://([a-z]+):4318", exporter["endpoint"])[1] in services
    endpoint = services["web"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert endpoint == f"http://otel:{configuration['receivers']['otlp']['protocols']['http']['endpoint'][-4:]}"


def test_collector_keeps_every_trace_that_failed_or_was_slow() -> None:
    configuration = read_yaml("otel/config.yaml")

    policies = {policy["type"]: policy for policy in configuration["processors"]["tail_sampling"]["policies"]}

    assert "tail_sampling" in configuration["service"]["pipelines"]["traces"]["processors"]
    assert policies["status_code"]["status_code"]["status_codes"] == ["ERROR"]
    assert policies["latency"]["latency"]["threshold_ms"] <= SLOW_SECONDS * 1000
    assert (
        "-contrib:" in read_yaml("compose.yml")["services"]["otel"]["image"]
    )  # only that image can judge whole traces


def _promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool here (Debian: apt-get install prometheus)")
    return subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)


def test_promtool_agrees(tmp_path: Path) -> None:
    """Of the real thing: syntax of the rules with their templates, and the configuration that names them."""
    alerts, configuration = DOCKER / "prometheus" / "alerts.yml", tmp_path / "prometheus.yml"
    text = (DOCKER / "prometheus" / "prometheus.yml").read_text()
    configuration.write_text(text.replace("/etc/prometheus/alerts.yml", str(alerts)))

    for judged in (_promtool("check", "rules", str(alerts)), _promtool("check", "config", str(configuration))):
        assert judged.returncode == 0, judged.stderr
        assert f"{len(_rules())} rules found" in judged.stdout


@pytest.mark.parametrize(
    ("declined", "confirmed", "stopped", "fires"),
    [
        pytest.param("0+1x30", "0+20x30", "0x30", False, id="a busy day"),
        pytest.param("0+1x30", "0x30", "0x30", False, id="a quiet night"),
        pytest.param("0+5x30", "0+20x30", "0x30", False, id="a sale"),
        pytest.param("0+5x30", "0+1x30", "0x30", True, id="an attack"),
        pytest.param("0x30", "0+20x30", "0+1x30", True, id="somebody who is stopped"),
    ],
)
def test_card_testing_is_told_from_customers_without_money(
    declined: str, confirmed: str, stopped: str, fires: bool, tmp_path: Path
) -> None:
    series = {
        'shop_payment_declines_total{code="do_not_honor"}': declined,
        'shop_orders_total{outcome="confirmed"}': confirmed,
        'shop_card_attempts_stopped_total{of="address"}': stopped,
    }
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count(ALERTS{alertname="CardTesting",alertstate="firing"}) or vector(0)',
                "eval_time": "25m",
                "exp_samples": [{"labels": "{}", "value": int(fires)}],
            }
        ],
    }
    cases = tmp_path / "cases.json"
    rule_files = [str(DOCKER / "prometheus" / "alerts.yml")]
    cases.write_text(json.dumps({"rule_files": rule_files, "evaluation_interval": "1m", "tests": [case]}))

    judged = _promtool("test", "rules", str(cases))

    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_broker_configuration_is_lines_of_known_keys() -> None:
    known = (
        "vm_memory_high_watermark.relative", "disk_free_limit.absolute", "log.console", "log.console.level", "log.file",
        "log.console.formatter", "deprecated_features.permit.transient_nonexcl_queues",
        "prometheus.return_per_object_metrics",
    )  # fmt: skip
    text = (DOCKER / "rabbitmq" / "rabbitmq.conf").read_text()
    for line in text.splitlines():
        if line and not line.startswith("#"):
            key, equals, value = line.partition(" = ")
            assert key in known
            assert equals
            assert value
    plugins = (DOCKER / "rabbitmq" / "enabled_plugins").read_text()
    assert re.fullmatch(r"\[(rabbitmq_\w+)(,rabbitmq_\w+)*\]\.\n", plugins)
    assert {"rabbitmq_management", "rabbitmq_prometheus"} <= set(re.findall(r"\w+", plugins))
