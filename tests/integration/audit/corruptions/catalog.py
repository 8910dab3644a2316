"""Every corruption."""

from __future__ import annotations

from tests.integration.audit.corruptions.bus import BUS
from tests.integration.audit.corruptions.inventory import INVENTORY
from tests.integration.audit.corruptions.kernel import KERNEL
from tests.integration.audit.corruptions.notifications import NOTIFICATIONS
from tests.integration.audit.corruptions.orders import CODES, ORDERS
from tests.integration.audit.corruptions.payments import DISPUTES, PAYMENTS
from tests.integration.audit.corruptions.shipping import SHIPPING

CORRUPTIONS = (*INVENTORY, *ORDERS, *PAYMENTS, *DISPUTES, *SHIPPING, *NOTIFICATIONS, *BUS, *CODES, *KERNEL)
