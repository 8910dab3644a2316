"""One trace from the request through its SQL; it runs in a process of its own, since tracing changes all of it."""

import json
import os
import subprocess
import sys

from django.db import connections

SCRIPT = """
import json, os
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from shop.observability.tracing import setup_tracing
exporter = InMemorySpanExporter()
setup_tracing("web", exporter=exporter)
import django
django.setup()
from django.test import Client
from shop.observability.tracing import continued_span, current_traceparent
parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
Client().get("/ready", headers={"traceparent": parent})
Client().get("/problems/", headers={"traceparent": parent})
Client().post("/_allauth/app/v1/auth/login", {"email": "a@shop.example", "password": "x"}, "application/json",
              headers={"traceparent": parent})
with continued_span("handle", parent):
    assert current_traceparent().startswith(parent[:36])
print(json.dumps([
    [span.name, span.kind.name, format(span.context.trace_id, "032x"), dict(span.resource.attributes)["service.name"]]
    for span in exporter.get_finished_spans()
]))
"""


def test_requests_and_their_sql_are_spans_of_the_caller_s_trace(database):
    settings = connections["default"].settings_dict
    url = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format_map(settings)
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings.test"}

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    spans = json.loads(done.stdout.splitlines()[-1])
    ours = [span for span in spans if span[2] == "a" * 32]
    assert {kind for _name, kind, _trace, _service in ours} >= {"SERVER", "CLIENT", "INTERNAL"}
    assert any(name.startswith("SELECT") for name, *_rest in ours)
    assert not any("ready" in name for name, *_rest in spans)
    assert {service for *_rest, service in spans} == {"shop-web"}
