"""Every kind of fault and of trouble that a history can have, in the words of the report."""

from __future__ import annotations

from tests.proof.simulator.bank import EXPIRIES, FAULTS
from tests.proof.simulator.codes import KINDS_OF_CODES
from tests.proof.simulator.disputed import REINSTATED, TOLD
from tests.proof.simulator.plans import BROKER_FAULTS

KINDS = frozenset(
    {
        *(f"provider: {fault}" for fault in FAULTS),
        "provider: late request arrives",
        *EXPIRIES,
        "authorization expires at the provider",
        "confirmed again with the client_secret",
        "3-D Secure answered",
        "3-D Secure declined",
        "another card after a decline",
        "another card in place of one that waits",
        *BROKER_FAULTS,
        "message delayed",
        "message duplicated",
        "message reordered",
        "webhook duplicated",
        "webhook late",
        "webhook lost",
        "webhook reordered",
        "carrier down",
        "carrier answer lost",
        "mail server down",
        "mail server answer lost",
        "database lost before a commit",
        "database lost after a commit",
        "worker dies",
        "two at once",
        "customer and staff at once",
        "zombie after its lease",
        "same request again",
        "same key, other body",
        "clock just before a payment deadline",
        "clock to a payment deadline",
        "clock just past a payment deadline",
        "reconciliation in between",
        "the cardholder disputes",
        "an inquiry at the cardholder's bank",
        *TOLD.values(),
        REINSTATED,
        "a person is erased",
        "a person is erased whose order is under way",
        "more time to pay",
        *KINDS_OF_CODES,
        "contacts past their retention are erased",
    }
)
