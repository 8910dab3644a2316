"""Which spans leave a process: all of a chosen trace, of the others what failed or was slow."""

import json
import os
import subprocess
import sys

import pytest
from django.db import connections

BEGIN = """
import json, os, sys
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from shop.observability import tracing
exporter = InMemorySpanExporter()
tracing.setup_tracing("web", exporter=exporter)
import django
django.setup()
tracing.SLOW_SECONDS = 60
from django.test import Client
chosen, unchosen = ("00-" + "a" * 32 + "-" + "b" * 16 + flags for flags in ("-01", "-00"))
login = {"email": "a@shop.example", "password": "x"}
"""
END = """
print(json.dumps([
    [span.name, span.kind.name, format(span.context.trace_id, "032x"), dict(span.resource.attributes)["service.name"]]
    for span in exporter.get_finished_spans()
]))
"""
CHOSEN = """
Client().get("/ready", headers={"traceparent": chosen})
Client().get("/problems/", headers={"traceparent": chosen})
Client().post("/_allauth/app/v1/auth/login", login, "application/json", headers={"traceparent": chosen})
with tracing.continued_span("handle", chosen):
    assert tracing.current_traceparent().startswith(chosen[:36])
"""
NOT_CHOSEN = """
Client().post("/_allauth/app/v1/auth/login", login, "application/json", headers={"traceparent": unchosen})
with tracing.continued_span("goes well", unchosen):
    assert tracing.current_traceparent().startswith(chosen[:36])
    assert tracing.current_traceparent().endswith("-00")
try:
    with tracing.continued_span("fails", unchosen):
        with tracing.tracer.start_as_current_span("inside"):
            raise ValueError
except ValueError:
    pass
tracing.SLOW_SECONDS = 0
Client().post("/_allauth/app/v1/auth/login", login, "application/json", headers={"traceparent": unchosen})
"""


def spans_of(script, **settings):
    """Return what a process of its own exports: tracing changes all of it."""
    urls = {
        "DATABASE_URL" if alias == "default" else f"{alias.upper()}_DATABASE_URL": url_of(connections[alias])
        for alias in connections
    }
    environment = os.environ | urls | {"DJANGO_SETTINGS_MODULE": "config.settings.test"} | settings

    done = subprocess.run(
        [sys.executable, "-c", BEGIN + script + END],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def url_of(connection):
    return "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format_map(connection.settings_dict)


def test_requests_and_their_sql_are_spans_of_the_caller_s_trace(database):
    spans = spans_of(CHOSEN)

    ours = [span for span in spans if span[2] == "a" * 32]
    assert {kind for _name, kind, _trace, _service in ours} >= {"SERVER", "CLIENT", "INTERNAL"}
    assert any(name.startswith("SELECT") for name, *_rest in ours)
    assert not any("ready" in name for name, *_rest in spans)
    assert {service for *_rest, service in spans} == {"shop-web"}


def test_of_a_trace_that_is_not_chosen_only_what_failed_or_was_slow_is_told(database):
    names = [name for name, *_rest in spans_of(NOT_CHOSEN)]

    assert names == ["fails", "POST _allauth/app/v1/auth/login"]


@pytest.mark.parametrize(("share", "told"), [("1.0", 20), ("0.0", 0)])
def test_share_of_the_traces_is_a_setting(database, share, told):
    begun = 'for _each in range(20):\n    with tracing.entrance("walk"):\n        pass\n'

    assert len(spans_of(begun, OTEL_TRACES_SAMPLER_ARG=share)) == told


API = """
from shop.rest.chains import TwoChains
from django.test import client
class Handler(TwoChains, client.ClientHandler): pass
client.ClientHandler = Handler
from inventory.rest import views
def ask(flags, **how):
    return Client(raise_request_exception=False).get("/api/v1/products", headers={"traceparent": flags}, **how)
def breaks(self, request):
    assert tracing.current_traceparent().startswith(unchosen[:36]), tracing.current_traceparent()
    raise ValueError("broken")
works = views.ProductList.get
"""


def test_request_of_a_program_is_a_span_of_its_caller_s_trace_if_that_is_chosen(database):
    spans = spans_of(
        API + "ask(chosen)\nask(unchosen)\nClient().get('/api/v1/nothing', headers={'traceparent': chosen})"
    )

    servers = [(name, trace) for name, kind, trace, _service in spans if kind == "SERVER"]
    assert servers == [("GET api/v1/products", "a" * 32), ("GET", "a" * 32)]
    assert {trace for _name, _kind, trace, _service in spans} == {"a" * 32}


def test_request_of_a_program_that_fails_or_is_slow_is_told_in_any_trace(database):
    failing = "views.ProductList.get = breaks\nask(unchosen)\nviews.ProductList.get = works\n"
    slow = "tracing.SLOW_SECONDS = 0\nask(unchosen)\n"
    status = """
failed, slow = exporter.get_finished_spans()
assert failed.status.status_code.name == "ERROR" and "ValueError: broken" in failed.status.description
assert slow.status.status_code.name == "UNSET"
assert (failed.attributes["http.response.status_code"], slow.attributes["http.route"]) == (500, "api/v1/products")
assert format(failed.parent.span_id, "016x") == "b" * 16 and failed.end_time > failed.start_time
"""

    spans = spans_of(API + failing + slow + status)

    assert spans == [["GET api/v1/products", "SERVER", "a" * 32, "shop-web"]] * 2


@pytest.mark.parametrize(("share", "told"), [("1.0", 5), ("0.0", 0)])
def test_share_of_the_requests_of_programs_is_the_same_setting(database, share, told):
    asked = "for _each in range(5): Client().get('/api/v1/products')"
    spans = spans_of(API + asked, OTEL_TRACES_SAMPLER_ARG=share)

    assert len([name for name, kind, *_rest in spans if kind == "SERVER"]) == told


SAME_ID = """
answers = [Client().get(path) for path in ("/api/v1/products", "/api/v1/nothing", "/problems/")]
spans = [span for span in exporter.get_finished_spans() if span.kind.name == "SERVER"]
ids = [answer["X-Request-ID"] for answer in answers]
assert [format(span.context.trace_id, "032x") for span in spans] == ids, ids
assert answers[1].json()["trace_id"] == ids[1] and len(set(ids)) == 3
"""


def test_a_trace_that_begins_with_a_request_has_its_id(database):
    assert len(spans_of(API + SAME_ID, OTEL_TRACES_SAMPLER_ARG="1.0")) >= 3


ORDER = """
from uuid import UUID
order = UUID(int=7)
Client().get(f"/api/v1/orders/{order}", headers={"traceparent": chosen})
Client().get(f"/api/v1/orders/{order}", headers={"traceparent": unchosen})
(span,) = [span for span in exporter.get_finished_spans() if span.kind.name == "SERVER"]
assert span.attributes["order_id"] == str(order), dict(span.attributes)
"""


def test_the_span_of_a_request_about_an_order_names_it(database):
    spans_of(API + ORDER)
