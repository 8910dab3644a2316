"""Requests that schemathesis makes of docs/openapi.yaml, good and bad, sent to the running application as each role.

Every check of schemathesis is on. What it cannot know from a description, and so is told:
- A request that is well formed may still be refused by the business or a precondition: 402, 409, 410, 412, 422, 429, 503; or 304.
- A text may still be no country, no currency, no email address or not one printable line, and 2.0 is no count, which
  JSON Schema cannot say: a well-formed request is answered 400 only with a pointer to such a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.conf import settings as django_settings
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode

from config.wsgi import application
from tests.proof.report import SEED, Record, sized
from tests.proof.security.people import People

DESCRIPTION = Path(django_settings.BASE_DIR) / "docs" / "openapi.yaml"
EXAMPLES = sized(slice=6, short=15, full=400)
BUSINESS_SAYS_NO = ["2xx", "304", "400", "401", "402", "403", "404", "409", "410", "412", "422", "429", "503"]
CONFIG = SchemathesisConfig.from_dict(
    {
        "seed": SEED,
        "checks": {
            "positive_data_acceptance": {"expected-statuses": BUSINESS_SAYS_NO},
            # A session that has ended is told so (410) before its request is read.
            "negative_data_rejection": {
                "expected-statuses": [
                    "400",
                    "401",
                    "403",
                    "404",
                    "405",
                    "406",
                    "409",
                    "410",
                    "415",
                    "422",
                    "428",
                    "429",
                ]
            },
        },
        # Walks go along the links that are described, and no others.
        "phases": {"stateful": {"inference": {"algorithms": []}}},
    }
)
SCHEMA = schemathesis.openapi.from_path(DESCRIPTION, config=CONFIG)


def from_an_address(environ: dict[str, Any], start_response: Any) -> Any:
    """Answer as the shop does to a caller who has an address: attempts to sign in are counted by it."""
    return application(environ | {"REMOTE_ADDR": "127.0.0.1"}, start_response)


SCHEMA.app = from_an_address
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]  # type: ignore[union-attr]
ROLES = ("anonymous", "another customer", "owner", "staff with permission")
# What cannot be made wrong, since every text is a product's code, or nothing is asked.
NOTHING_TO_SEND = {
    (label, GenerationMode.NEGATIVE) for label in ("GET /api/v1/products/{sku}", "GET /api/v1/categories")
}
BEYOND_A_SCHEMA = re.compile(
    r"#/(lines(/\d+/(sku|quantity))?|quote|number|(shipping_address|billing_address|destination)/\w+|email|payment_method|expected_total"
    r"|company|vat_number|phone|note|locale|shipping_option|codes/\d+|amount|reason|cursor|search|category"
    r"|password|key|code|current_password|new_password)"
)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_no_request_breaks_the_api_or_its_description(
    operation: Any, mode: GenerationMode, people: People, proof: Record
):
    sent = 0

    def send(case: Any, role: str) -> None:
        nonlocal sent
        sent += 1
        # schemathesis asks a WSGI application for gzip, and does not unpack it.
        answer = case.call_and_validate(headers=people.apis[role].headers | {"Accept-Encoding": "identity"})
        # Two ways to send a token, with different ones: a schema has no words for that.
        if mode.is_positive and answer.status_code == 400 and answer.json()["code"] != "header_repeated":
            assert all(BEYOND_A_SCHEMA.fullmatch(error["pointer"]) for error in answer.json()["errors"]), answer.text

    orders = [{}, {"order_id": str(people.order_id)}] if "{order_id}" in operation.path else [{}]
    wrong = []
    for path_parameters in orders:
        case = operation.as_strategy(generation_mode=mode, path_parameters=path_parameters or None)
        wrong += list(tried(send, case=case))
    proof("fuzzed request (schemathesis)", histories=sent, violations=[f"{operation.label}: {each}" for each in wrong])
    assert wrong == [], "\n\n".join(wrong)
    assert sent or (operation.label, mode) in NOTHING_TO_SEND, "nothing was sent"


def tried(send: Callable[..., None], *, case: Any) -> list[str]:
    """Send the requests of a strategy as every role; return what was wrong with the answers."""
    phases = (Phase.generate, Phase.shrink) if EXAMPLES > 100 else (Phase.generate,)
    bounded = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        seed(SEED)(bounded(given(case=case, role=st.sampled_from(ROLES))(send)))()
    except Unsatisfiable:
        return []  # nothing can be sent: see NOTHING_TO_SEND
    except (FailureGroup, Failure, AssertionError) as error:
        return [str(error)]
    return []
