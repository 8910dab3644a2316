"""What the audit asks of the tables that all contexts share: nothing is dated in the future, and nothing is overdue."""

from __future__ import annotations

from shop.audit import SKEW, Law, register_law
from shop.work.places import PLACE_SECONDS

KERNEL_LAWS = (
    Law(
        "I8",
        "no subscription begins in the future, and no look lies there",
        "SELECT 'subscription of ' || subscriber || ' to ' || event_type, format('since %%s', since) FROM shop_subscription"
        f" WHERE since > now() + {SKEW} UNION ALL SELECT 'look at the facts of ' || context, format('until %%s', published_at)"
        f" FROM shop_hearinglook WHERE published_at > now() + {SKEW}",
    ),
    Law(
        "I10",
        "no sweep is taken for longer than a run has its place",
        "SELECT 'sweep ' || sweep, format('place %%s is taken until %%s', place, until) FROM shop_runningsweep"
        " WHERE until > now() + make_interval(secs => %(place)s) + " + SKEW,
    ),
    Law(
        "I10",
        "every guest is taken along",
        "SELECT 'taking of guest ' || guest_id, format('overdue since %%s: no worker is processing it', due_at) FROM shop_guesttaking"
        " WHERE due_at IS NULL OR due_at < now() - interval '15 minutes' ORDER BY guest_id",
    ),
    Law(
        "I7",
        "no kept answer is dated in the future",
        "SELECT 'kept answer of customer ' || user_id, format('%%s %%s at %%s', method, path, created_at)"
        f" FROM shop_idempotencykey WHERE created_at > now() + {SKEW} ORDER BY id",
    ),
)


def register_kernel_checks() -> None:
    """Have every audit look into the tables that all contexts share."""
    for law in KERNEL_LAWS:
        register_law("shop", law, place=PLACE_SECONDS)
