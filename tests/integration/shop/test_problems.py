"""Every error of the API is a problem with a stable code, whoever finds it."""

import uuid

import pytest

from shop.errors import Fault
from shop.models import User
from tests.integration.shop.urls import Work


def problem(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"/problems/{code}")
    assert "Traceback" not in response.content.decode()
    return body


def test_without_a_token_the_answer_is_401_with_a_challenge(anonymous):
    response = anonymous.place()

    problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("token", ["wrong", "x" * 500, "ünïcode", ""])
def test_a_token_that_is_not_valid_is_401(anonymous, token):
    for headers in ({"Authorization": f"Bearer {token}"}, {"X-Session-Token": token or " "}):
        response = anonymous.call("get", "/api/test/versioned", **headers)

        problem(response, 401, "authentication_failed")
        assert "WWW-Authenticate" in response


def test_both_headers_carry_the_token(api, anonymous):
    assert api.call("get", "/api/test/versioned").status_code == 200
    assert anonymous.call("get", "/api/test/versioned", **{"X-Session-Token": api.token}).status_code == 200


def test_signing_out_revokes_the_token(api, anonymous):
    anonymous.call("delete", "/_allauth/app/v1/auth/session", **{"X-Session-Token": api.token})

    problem(api.call("get", "/api/test/versioned"), 401, "authentication_failed")


def test_a_user_who_was_locked_is_401(api):
    User.objects.update(is_active=False)

    problem(api.call("get", "/api/test/versioned"), 401, "authentication_failed")


def test_validation_names_each_field_by_pointer(api):
    body = problem(api.place(body={"skuu": "A"}), 400, "invalid_request")

    assert {error["pointer"] for error in body["errors"]} == {"#/sku", "#/skuu"}


def test_unreadable_json_is_400(api):
    problem(api.place(body="{"), 400, "malformed_request")


def test_a_body_over_64_kib_is_413(api):
    problem(api.place(body={"sku": "A" * 70_000}), 413, "payload_too_large")


def test_another_media_type_is_415(api):
    response = api.call("post", "/api/test/orders", "sku=A", **{"Content-Type": "text/plain", "Idempotency-Key": "k"})

    problem(response, 415, "unsupported_media_type")


def test_another_method_is_405_and_says_which_are_allowed(api):
    response = api.call("delete", "/api/test/orders")

    problem(response, 405, "method_not_allowed")
    assert "POST" in response["Allow"]
    assert response.json()["detail"] == "This address takes OPTIONS and POST, not DELETE."


def test_asking_for_xml_is_406(api):
    problem(api.call("get", "/api/test/versioned", Accept="application/xml"), 406, "not_acceptable")


def test_an_address_that_nothing_has_is_a_404_problem(anonymous):
    problem(anonymous.call("get", "/api/v1/nothing"), 404, "not_found")


def test_an_address_outside_the_api_is_a_page(anonymous):
    response = anonymous.call("get", "/nothing")

    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_a_bug_is_500_without_a_word_about_the_code(anonymous):
    response = anonymous.call("get", "/api/test/broken")

    body = problem(response, 500, "internal_error")
    assert "secret place" not in response.content.decode()
    assert body["instance"] == f"urn:uuid:{uuid.UUID(response['X-Request-ID'])}"
    assert body["trace_id"] == response["X-Request-ID"]


def test_a_fault_is_503_with_retry_after(api):
    Work.outcome = Fault("stripe is away")
    response = api.place()

    problem(response, 503, "unavailable")
    assert response["Retry-After"] == "5"


def test_the_type_of_a_problem_is_a_page_that_explains_it(anonymous):
    known = anonymous.call("get", "/problems/").content.decode()
    assert "test_declined" in known
    assert "<code>retry_after_seconds</code>" in known
    assert "`" not in known
    page = anonymous.call("get", "/problems/test_declined")

    assert page.status_code == 200
    assert "The card was declined." in page.content.decode()
    assert anonymous.call("get", "/problems/unheard_of").status_code == 404


def test_a_version_that_the_caller_holds_is_304(api):
    first = api.call("get", "/api/test/versioned")
    second = api.call("get", "/api/test/versioned", **{"If-None-Match": first["ETag"]})

    assert (second.status_code, second.content, second["ETag"]) == (304, b"", '"3"')


def test_a_change_of_another_version_is_412(api):
    assert api.call("patch", "/api/test/versioned", {}, **{"If-Match": '"3"'}).status_code == 200
    problem(api.call("patch", "/api/test/versioned", {}, **{"If-Match": '"2"'}), 412, "precondition_failed")


def test_lists_come_in_pages_with_links(api):
    for number in range(3):
        User.objects.create_user(f"user{number}@shop.example")
    first = api.call("get", "/api/test/users?limit=2")
    second = api.call("get", first.json()["next"])

    emails = [user["email"] for page in (first, second) for user in page.json()["results"]]
    # Two that were made in the same millisecond have ids in either order.
    assert emails == list(User.objects.order_by("-id").values_list("email", flat=True))
    assert len(emails) == 4
    assert first["Link"] == f'<{first.json()["next"]}>; rel="next"'
    assert 'rel="prev"' in second["Link"]


def test_every_answer_says_what_is_left_of_the_rate_and_429_when_to_come_back(api, anonymous, settings):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {
        "DEFAULT_THROTTLE_RATES": {"customer": "2/min", "anonymous": None}
    }

    left = [api.call("get", "/api/test/versioned") for _ in range(3)]

    assert [response.status_code for response in left] == [200, 200, 429]
    assert [response["RateLimit-Remaining"] for response in left] == ["1", "0", "0"]
    assert {response["RateLimit-Limit"] for response in left} == {"2"}
    assert 0 < int(left[2]["Retry-After"]) <= 60
    assert 0 < int(left[2]["RateLimit-Reset"]) <= 60
    problem(left[2], 429, "throttled")


def test_an_address_cannot_be_forged_to_escape_the_rate(anonymous, settings):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {
        "DEFAULT_THROTTLE_RATES": {"customer": None, "anonymous": "1/min"}
    }

    answers = [anonymous.call("get", "/api/test/open", **{"X-Forwarded-For": f"10.0.0.{last}"}) for last in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
