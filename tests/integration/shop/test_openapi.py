"""The OpenAPI document says what the edge does: keys on unsafe calls, problems everywhere, either of two token headers."""

import pytest
from drf_spectacular.generators import SchemaGenerator


@pytest.fixture(scope="module")
def document():
    return SchemaGenerator(urlconf="tests.integration.shop.urls").get_schema(request=None, public=True)


def test_an_idempotent_call_asks_for_its_key(document):
    operation = document["paths"]["/api/test/orders"]["post"]
    (parameter,) = (each for each in operation["parameters"] if each["name"] == "Idempotency-Key")

    assert (parameter["in"], parameter["required"], parameter["schema"]["maxLength"]) == ("header", True, 200)
    assert "422" in operation["responses"]


def test_other_calls_do_not(document):
    operation = document["paths"]["/api/test/users"]["get"]

    assert "Idempotency-Key" not in [each["name"] for each in operation["parameters"]]
    assert "422" not in operation["responses"]


def test_every_call_may_answer_with_problems(document):
    operations = [operation for item in document["paths"].values() for operation in item.values()]

    assert operations
    for operation in operations:
        answer = operation["responses"]["503"]
        name = answer.get("$ref", "").removeprefix("#/components/responses/")
        answer = document["components"]["responses"][name] if name else answer
        problems = answer["content"]["application/problem+json"]["schema"]["discriminator"]["mapping"]
        assert {"busy", "database_unavailable", "unavailable"} <= problems.keys()
        assert "Retry-After" in answer["headers"]


def test_either_header_carries_the_token(document):
    operation = document["paths"]["/api/test/orders"]["post"]

    assert operation["security"] == [{"bearerToken": []}, {"sessionToken": []}]
    assert set(document["components"]["securitySchemes"]) == {"bearerToken", "sessionToken", "orderToken"}
