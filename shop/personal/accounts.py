"""The kernel's own personal data: accounts, their addresses and second factors, sessions, kept answers, the staff's trail.

An account that is erased leaves its row, which says so: the trail of what it did goes on naming somebody. Its id means
nobody any more, no password opens it, and the same address can sign up again.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db.models import Q, QuerySet

from shop import transactions
from shop.models import ABOUT_A_ROW, NAMES_A_ROW, IdempotencyKey, User
from shop.personal.keepers import ERASED, ERASED_DOMAIN, FoundOrder, Person, Records, records_of

SESSIONS_AT_ONCE = 1000
# Of a walk through all sessions, in one look at an erasure.
SECONDS = 5.0
# What the staff's trail says of who had a person erased.
ASKED_FOR = "erasure asked for"
# So much of a session's key says where a walk is, and opens nothing.
POSITION = 8
_ABOUT_ACCOUNTS = (User, EmailAddress, Authenticator)


def person_of(*, user_id: uuid.UUID | None = None, email: str = "") -> Person:
    """Return who is meant by an account's id or an email address.

    By an address, orders that go to it are this person's, and so are the account and the guests that have it. By an account,
    only the addresses that it has confirmed find orders and guests: anybody may have entered the others.
    """
    address = email.strip().lower()
    if user_id is None and address:
        user_id = _account_with(address)
    own = EmailAddress.objects.filter(user_id=user_id) if user_id is not None else EmailAddress.objects.none()
    confirmed = {found.email.lower() for found in own if found.verified}
    of_account = {found.email.lower() for found in own}
    of_account.update(User.objects.filter(pk=user_id).values_list("email", flat=True) if user_id else ())
    addresses = tuple(sorted(confirmed | ({address} if address else set())))
    guests = User.objects.filter(guest_email__in=addresses).order_by("pk").values_list("pk", flat=True)
    return Person(
        user_id=user_id,
        guests=tuple(each for each in guests if each != user_id),
        addresses=addresses,
        account_emails=tuple(sorted(each.lower() for each in of_account)),
    )


def _account_with(address: str) -> uuid.UUID | None:
    found: uuid.UUID | None = User.objects.with_email(address).values_list("pk", flat=True).first()
    if found is None:
        found = EmailAddress.objects.filter(email=address, verified=True).values_list("user_id", flat=True).first()
    return found


def is_erased(user: User) -> bool:
    """Return whether the account is erased."""
    return user.email.endswith(f"@{ERASED_DOMAIN}")


def is_known(person: Person) -> bool:
    """Return whether the kernel keeps something of the person."""
    return _accounts(person).exists() or _kept_answers(person, ()).exists()


def export(person: Person, *, orders: Sequence[FoundOrder] = ()) -> Records:
    """Return what the kernel keeps of a person, with the kept answers about these orders; secrets are left out."""
    return {
        "account": records_of(_accounts(person), without=("password",)),
        "email_addresses": records_of(_addresses(person)),
        "second_factors": records_of(_factors(person), without=("data",)),
        "sessions": [
            {"expires_at": session.expire_date.isoformat(), "holds": _without_secrets(data)}
            for session, data in _sessions_of(person)
        ],
        "kept_answers": records_of(_kept_answers(person, orders)),
        "staff_log": records_of(
            LogEntry.objects.filter(Q(user_id__in=person.customer_ids) | _about(person)).order_by("pk")
        ),
    }


def close(person: Person) -> int:
    """Erase the account and the guests in one transaction: nobody orders with them any more. Return how many rows were changed."""
    if not person.customer_ids:
        return 0
    with transactions.transaction("shop"):
        users = User.objects.select_for_update().filter(pk__in=person.customer_ids).order_by("pk")
        open_accounts = [user for user in users if not is_erased(user)]
        told = LogEntry.objects.filter(_about(person)).exclude(object_repr=ERASED)
        told.exclude(change_message=ASKED_FOR).update(change_message=ERASED)
        changed = told.update(object_repr=ERASED)
        changed += _addresses(person).delete()[0]
        changed += _factors(person).delete()[0]
        for user in open_accounts:
            user.groups.clear()
            user.user_permissions.clear()
            changed += User.objects.filter(pk=user.pk).update(
                email=f"{ERASED}-{user.pk.hex}@{ERASED_DOMAIN}",
                guest_email="" if user.is_guest else None,
                first_name="",
                last_name="",
                password=make_password(None),
                is_active=False,
                is_staff=False,
                is_superuser=False,
                last_login=None,
            )
    return changed


def forget_answers(person: Person, *, orders: Sequence[FoundOrder] = ()) -> int:
    """Delete the kept answers of the person, and those about these orders that others got; return how many went."""
    with transactions.transaction("shop"):
        return _kept_answers(person, orders).delete()[0]


def end_sessions(person: Person, *, begin: str) -> tuple[int, str]:
    """Delete the person's sessions, from those on whose keys begin with `begin`, for SECONDS at most.

    Returns how many went, and where to go on, "" where all have been read. Sessions of an erased account open nothing any
    more; but they name it.
    """
    ends = time.monotonic() + SECONDS
    gone = 0
    for page in _pages_of_sessions(begin):
        keys = [session.pk for session, _data in _among(page, person)]
        if keys:
            with transactions.transaction("shop"):
                gone += Session.objects.filter(pk__in=keys).delete()[0]
        if time.monotonic() >= ends and len(page) == SESSIONS_AT_ONCE:
            return gone, page[-1].pk[:POSITION]
    return gone, ""


def _accounts(person: Person) -> QuerySet[User]:
    return User.objects.filter(pk__in=person.customer_ids)


def _addresses(person: Person) -> QuerySet[EmailAddress]:
    rows: QuerySet[EmailAddress] = EmailAddress.objects.filter(user__in=_accounts(person))
    return rows


def _factors(person: Person) -> QuerySet[Authenticator]:
    rows: QuerySet[Authenticator] = Authenticator.objects.filter(user__in=_accounts(person))
    return rows


def _kept_answers(person: Person, orders: Sequence[FoundOrder]) -> QuerySet[IdempotencyKey]:
    """Return the kept answers of the person, and of others those that tell of these orders.

    Staff who act on an order over the API, and a customer who has one sent to somebody else, keep answers with its address.
    """
    about = [str(each.order_id).upper() for each in orders]
    keys = IdempotencyKey.objects.annotate(about=ABOUT_A_ROW)
    of_orders = Q(about__in=about, path__regex=NAMES_A_ROW)
    placed = Q(pk__in=_answers_that_placed(person, orders))
    return keys.filter(Q(user_id__in=person.customer_ids) | placed | of_orders).order_by("pk")


def _answers_that_placed(person: Person, orders: Sequence[FoundOrder]) -> list[int]:
    """Return the kept answers of others that name the person's address in one of these orders, not in a later one."""
    named = Q(pk__in=())
    for address in person.addresses:
        named |= Q(response_body__icontains=address)
    received = [each for each in orders if each.customer_id not in person.customer_ids]
    answers = IdempotencyKey.objects.filter(named, user_id__in={each.customer_id for each in received})
    about = [str(each.order_id) for each in received]
    return [
        answer_id
        for answer_id, body in answers.values_list("pk", "response_body")
        if any(order_id in body for order_id in about)
    ]


def _about(person: Person) -> Q:
    """Return which entries of the staff's trail name the person: those about the account and what belongs to it.

    By an address, only entries made before `person.before`: afterwards somebody may have signed up with it.
    """
    kinds = ContentType.objects.get_for_models(*_ABOUT_ACCOUNTS)
    account, address, factor = (kinds[model].pk for model in _ABOUT_ACCOUNTS)
    named = Q(pk__in=())
    for email in {*person.account_emails, *person.addresses}:
        named |= Q(object_repr__icontains=email) | Q(change_message__icontains=email)
    if person.before is not None:
        named &= Q(action_time__lte=person.before)
    return (
        Q(named, content_type_id__in=(account, address, factor))
        | Q(content_type_id=account, object_id__in=[str(each) for each in person.customer_ids])
        | Q(content_type_id=address, object_id__in=[str(row.pk) for row in _addresses(person)])
        | Q(content_type_id=factor, object_id__in=[str(row.pk) for row in _factors(person)])
    )


def _sessions_of(person: Person) -> Iterator[tuple[Session, Mapping[str, Any]]]:
    for page in _pages_of_sessions(""):
        yield from _among(page, person)


def _pages_of_sessions(begin: str) -> Iterator[list[Session]]:
    """Yield all sessions along their keys: whose a session is stands signed in its data, where no index reaches."""
    page = list(Session.objects.filter(pk__gte=begin).order_by("pk")[:SESSIONS_AT_ONCE])
    while page:
        yield page
        page = list(Session.objects.filter(pk__gt=page[-1].pk).order_by("pk")[:SESSIONS_AT_ONCE])


def _among(page: Sequence[Session], person: Person) -> Iterator[tuple[Session, Mapping[str, Any]]]:
    """Yield the person's sessions. One that another account is signed in with is that account's, whatever it names."""
    wanted = {*person.account_emails, *person.addresses}
    owners = {str(each) for each in person.customer_ids}
    for session in page:
        data = session.get_decoded()
        owner = data.get(SESSION_KEY)
        text = json.dumps(data, default=str).lower()
        if owner in owners or (owner is None and any(email in text for email in wanted)):
            yield session, data


def _without_secrets(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if "hash" not in name and "secret" not in name}
