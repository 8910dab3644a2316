"""How the commands about persons are told whom they are about."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.management.base import CommandError, CommandParser

from shop.personal.accounts import person_of
from shop.personal.keepers import Person


def add_person_arguments(parser: CommandParser) -> None:
    """Have the command ask for an email address or an account."""
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--email", help="an address: the account with it, and every order that goes to it")
    who.add_argument(
        "--user", help="an account's id, and every order that it placed or that goes to an address it confirmed"
    )


def person_meant(options: dict[str, Any]) -> Person:
    """Return the person that the arguments name. Raises: CommandError where an id is none."""
    if options["email"]:
        return person_of(email=options["email"])
    try:
        return person_of(user_id=uuid.UUID(options["user"]))
    except ValueError as error:
        raise CommandError(f"not the id of an account: {options['user']}") from error
