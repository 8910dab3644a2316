"""`python -m tests.load.forget_queues`: delete the exchanges and queues of a bench that ends."""

from __future__ import annotations

import os


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.load.settings")
    import django

    django.setup()
    from shop import topology
    from shop.events.broker import connect

    with connect() as connection, connection.channel() as channel:
        topology.delete(channel)


if __name__ == "__main__":
    main()
