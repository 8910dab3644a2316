"""What every answer says to a browser: guess no types, show in no frame, tell nobody, keep no personal data."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proof.security.people import People
from tests.proof.security.test_routes import API, BODIES, call, path

ON_EVERY_ANSWER = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def test_every_answer_has_the_headers_of_a_careful_server(people: People):
    for method, route in API:
        for role in ("anonymous", "owner"):
            answer = call(people.apis[role], method, path(route, people), BODIES.get(route, dict)())
            found = {name: answer.get(name) for name in ON_EVERY_ANSWER}
            if route == "api/v1/docs":  # the page of Swagger UI signs in by a window of another origin
                found["Cross-Origin-Opener-Policy"] = "same-origin"
            assert found == ON_EVERY_ANSWER, (method, route, role)
            assert "Server" not in answer


@pytest.mark.parametrize("path_of", ["orders", "orders/{}", "orders/{}/payment", "orders/{}/cancel"])
def test_no_cache_on_the_way_keeps_an_order(path_of: str, people: People):
    where = path_of.format(people.order_id)
    owner = people.apis["owner"]

    answers: list[Any] = [owner.post(where, {}) if where.endswith(("payment", "cancel")) else owner.get(where)]

    for answer in answers:
        told: Any = answer.get("Cache-Control", "")
        assert answer.status_code >= 400 or "no-store" in told or "private" in told, (where, told)
