"""Sign-in in the API's description: django-allauth's addresses as they answer here, refusals as problems.

Only what a storefront needs. allauth's own description tells of the rest; a second factor is set up there.
"""

from __future__ import annotations

from typing import Any

from shop.accounts.mailing import AccountMailUnsent
from shop.errors import Busy, Fault
from shop.rest.arrival import BodyUnreadable, HeaderRepeated, LengthRequired
from shop.rest.problem import CONTENT_TYPE
from shop.rest.problem_schemas import SIGNED_OUT, ProblemComponents

Schema = dict[str, Any]
PREFIX = "/_allauth/app/v1"
_TEXT: Schema = {"type": "string", "minLength": 1}
_EMAIL: Schema = {"type": "string", "format": "email", "minLength": 1}
_PASSWORD: Schema = {"type": "string", "format": "password", "minLength": 1}
_HEADERS = {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}}
_TOKEN: list[dict[str, list[str]]] = [{"sessionToken": []}]
_NOBODY_OR_TOKEN: list[dict[str, list[str]]] = [{}, *_TOKEN]


def _object(description: str, required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "description": description, "required": required, "properties": properties}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


COMPONENTS: dict[str, Schema] = {
    "Account": _object(
        "The account that is signed in.",
        ["id", "display", "email", "has_usable_password"],
        id={"type": "string", "format": "uuid"},
        display={"type": "string"},
        email={"type": "string"},
        has_usable_password={"type": "boolean"},
    ),
    "AuthenticationMethod": _object(
        "How it signed in.",
        ["method", "at"],
        method={"type": "string"},
        at={"type": "number", "description": "Unix time"},
    ),
    "SessionData": _object(
        "The account that is signed in, and how it signed in.",
        ["user", "methods"],
        user=_ref("Account"),
        methods={"type": "array", "items": _ref("AuthenticationMethod")},
    ),
    "SessionMeta": _object(
        "The token.",
        ["is_authenticated"],
        is_authenticated={"type": ["boolean", "null"]},
        session_token={
            "type": "string",
            "description": "Only when it is new. Send it as `Authorization: Bearer` to the API, as `X-Session-Token` here.",
        },
    ),
    "Session": _object(
        "A session.",
        ["status", "data", "meta"],
        status={"type": "integer"},
        data=_ref("SessionData"),
        meta=_ref("SessionMeta"),
    ),
    "SignInFlow": _object(
        "What may be done to sign in.",
        ["id"],
        id={"type": "string", "examples": ["login", "signup", "verify_email", "mfa_authenticate", "reauthenticate"]},
        is_pending={"type": "boolean", "description": "true: it is what the storefront does next"},
    ),
    "SignInFlows": _object(
        "What may be done to sign in.", ["flows"], flows={"type": "array", "items": _ref("SignInFlow")}
    ),
    "Done": _object("Done, or nothing to do because there is no such account.", ["status"], status={"type": "integer"}),
    "SignInRequest": _object("An account and its password.", ["email", "password"], email=_EMAIL, password=_PASSWORD),
    "SignUpRequest": _object("A new account.", ["email", "password"], email=_EMAIL, password=_PASSWORD),
    "VerifyEmailRequest": _object("The key of the mail.", ["key"], key=_TEXT),
    "PasswordResetMailRequest": _object("The email address of the account.", ["email"], email=_EMAIL),
    "ResetPasswordRequest": _object(
        "The key of the mail, and a new password.", ["key", "password"], key=_TEXT, password=_PASSWORD
    ),
    "ChangePasswordRequest": _object(
        "The old password and a new one.",
        ["current_password", "new_password"],
        current_password=_PASSWORD,
        new_password=_PASSWORD,
    ),
    "ReauthenticateRequest": _object(
        "The password of the account that is signed in.", ["password"], password=_PASSWORD
    ),
    "ChangeAddressRequest": _object("The new address.", ["email"], email=_EMAIL),
    "AccountAddress": _object(
        "An address of the account.",
        ["email", "primary", "verified"],
        email={"type": "string"},
        primary={"type": "boolean"},
        verified={"type": "boolean", "description": "Its owner has confirmed it."},
    ),
    "AccountAddresses": _object(
        "The account's address; the old one while a new one waits to be confirmed.",
        ["status", "data"],
        status={"type": "integer"},
        data={"type": "array", "items": _ref("AccountAddress")},
    ),
    "SecondFactorRequest": _object("A code of the second factor.", ["code"], code=_TEXT),
}


def add_sign_in(result: dict[str, Any], problems: ProblemComponents) -> None:
    """Put the operations of sign-in, and their components, into the description."""
    for path, item in _paths(problems).items():
        result["paths"][f"{PREFIX}{path}"] = item
    not_signed_in = problems.component("not_authenticated")
    not_signed_in["description"] = "Nobody is signed in, or a sign-in is not complete: data.flows says what is pending."
    not_signed_in["properties"] |= {"data": _ref("SignInFlows"), "meta": _ref("SessionMeta")}
    result["components"]["schemas"] |= COMPONENTS | {SIGNED_OUT: not_signed_in}


def _paths(problems: ProblemComponents) -> dict[str, Any]:
    pending = (
        "Not signed in yet: data.flows says what is pending (verify_email, mfa_authenticate); keep meta.session_token"
    )

    def call(operation: str, says: str, *, body: str = "", security: Any = None, **answers: Any) -> Schema:
        return _operation(problems, operation, says, body=body, security=security or [], answers=answers)

    return {
        "/auth/signup": {
            "post": call(
                "sign_up", "Create an account.", body="SignUpRequest", s200="Session", s401=pending, s409="Signed in already"
            )
        },
        "/auth/login": {
            "post": call(
                "sign_in", "Sign in.", body="SignInRequest", s200="Session", s401=pending, s409="Signed in already"
            )
        },
        "/auth/2fa/authenticate": {
            "post": call(
                "give_second_factor",
                "Continue a sign-in whose mfa_authenticate is pending.",
                body="SecondFactorRequest",
                security=_NOBODY_OR_TOKEN,
                s200="Session",
                s401=pending,
                s409="No sign-in waits for a second factor",
            )
        },
        "/auth/session": {
            "get": call(
                "get_session", "Return the account that is signed in.", security=_TOKEN, s200="Session", s401="Not signed in"
            ),
            "delete": call("sign_out", "End the session. It is answered 401: nobody is signed in.", security=_TOKEN,
                           s401="Signed out"),
        },
        "/auth/email/verify": {
            "post": call(
                "verify_email",
                "Prove that mail to its address reaches the owner of the account.",
                body="VerifyEmailRequest",
                security=_NOBODY_OR_TOKEN,
                s200="Session",
                s401="The address is verified: sign in",
                s409="No address is waiting to be verified",
            )
        },
        "/auth/password/request": {
            "post": call(
                "request_password_reset",
                "Send a mail with a key for a new password. The answer is the same if there is no such account.",
                body="PasswordResetMailRequest",
                s200="Done",
                s401="A code is asked for",
            )
        },
        "/auth/password/reset": {
            "post": call(
                "reset_password",
                "Set a new password with the key of the mail.",
                body="ResetPasswordRequest",
                s200="Session",
                s401="The password is set: sign in with it",
                s409="No reset is under way",
            )
        },
        "/auth/reauthenticate": {
            "post": call(
                "give_password_again",
                "Give the password again: the account's address and second factors can be changed for five minutes.",
                body="ReauthenticateRequest",
                security=_TOKEN,
                s200="Session",
                s401="Not signed in",
            )
        },
        "/account/email": {
            "get": call(
                "get_account_address",
                "Return the account's address.",
                security=_TOKEN,
                s200="AccountAddresses",
                s401="Not signed in",
            ),
            "post": call(
                "change_account_address",
                "Mail a key to a new address, which replaces the old one once `verify_email` gets the key."
                " The old one gets a mail about it.",
                body="ChangeAddressRequest",
                security=_TOKEN,
                s200="AccountAddresses",
                s401="Not signed in, or not within five minutes: data.flows names reauthenticate (POST /auth/reauthenticate)",
                s409="No sign-in waits for another address",
            ),
        },
        "/account/password/change": {
            "post": call(
                "change_password",
                "Change the password of the account that is signed in. Its other sessions end, and it gets a mail about it.",
                body="ChangePasswordRequest",
                security=_TOKEN,
                s200="Session",
                s401="Not signed in",
            )
        },
    }  # fmt: skip


def _operation(
    problems: ProblemComponents, operation: str, says: str, *, body: str, security: Any, answers: dict[str, str]
) -> Schema:
    """Describe one call. `answers`: s + status -> the component of a success, or what a refusal says."""
    responses: dict[str, Any] = {}
    for name, told in answers.items():
        status = name.removeprefix("s")
        if status < "400":
            content = {"application/json": {"schema": _ref(told)}}
            responses[status] = {"description": "", "content": content, "headers": _HEADERS | _cached()}
        elif status == "401":
            content = {CONTENT_TYPE: {"schema": _ref(SIGNED_OUT)}}
            challenge = {"WWW-Authenticate": {"$ref": "#/components/headers/WWW-Authenticate"}}
            responses[status] = {"description": told, "content": content, "headers": challenge | _HEADERS | _cached()}
        else:
            responses[status] = _refusal(problems, told, "sign_in_not_under_way")
    responses |= {
        "400": _refusal(
            problems, "The request is not valid; errors say what is wrong with it.",
            "invalid_request", "malformed_request", HeaderRepeated, BodyUnreadable,
        ),
        "403": _refusal(problems, "The request came over plain HTTP, or from nowhere.", "https_required", "permission_denied"),
        "410": _refusal(problems, "The session of this token has ended.", "session_gone"),
        "413": _refusal(problems, "The body is larger than 64 KiB.", "payload_too_large"),
        "429": _refusal(problems, "Too many attempts; Retry-After says when.", "throttled", waits=True),
        "500": _refusal(problems, "A bug; it is logged under the request's id.", "internal_error"),
        "503": _refusal(
            problems, "A dependency is unavailable; Retry-After says when.", "database_unavailable", Busy, Fault, AccountMailUnsent,
            waits=True,
        ),
    }  # fmt: skip
    if body:
        responses["411"] = _refusal(problems, "The body has no Content-Length.", LengthRequired)
        responses["415"] = _refusal(problems, "The body is compressed (`Content-Encoding`).", "unsupported_media_type")
    described: Schema = {
        "operationId": operation,
        "summary": operation.replace("_", " ").capitalize(),
        "description": says,
        "tags": ["sign-in"],
    }
    if body:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(body)}}}
    if security:
        described["security"] = security
    return described | {"responses": dict(sorted(responses.items()))}


def _cached() -> Schema:
    return {"Cache-Control": {"$ref": "#/components/headers/Cache-Control"}}


def _refusal(problems: ProblemComponents, told: str, *kinds: Any, waits: bool = False) -> Schema:
    retry = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}} if waits else {}
    return {
        "description": told,
        "content": problems.response(kinds, added={}),
        "headers": retry | _HEADERS | _cached(),
    }
