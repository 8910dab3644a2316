"""Under which name a process is found in the traces."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

STARTED = """
import django

django.setup()
from opentelemetry import trace

from config import observability

observability.start_worker_process()
print(trace.get_tracer_provider().resource.attributes["service.name"])
"""


@pytest.mark.parametrize(
    ("role", "name"), [("deliveries", "shop-deliveries"), ("sweeps", "shop-sweeps"), ("", "shop-worker")]
)
def test_a_worker_is_traced_under_its_role(role: str, name: str):
    ended = subprocess.run(
        [sys.executable, "-c", STARTED],
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
            "DATABASE_URL": "postgresql://shop:x@127.0.0.1:1/shop",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "SHOP_ROLE": role,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )

    assert ended.stdout.split()[-1:] == [name], ended.stderr
