"""Everybody who may ask for an order."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.test import Client

from tests.driver.shopper import Shopper

ROLES = ("anonymous", "another customer", "owner", "staff without permission", "staff with permission")


@dataclass
class People:
    """Everybody by role, with what they use: a token for the API, a session for the admin."""

    order_id: uuid.UUID
    apis: dict[str, Shopper]
    browsers: dict[str, Client]
