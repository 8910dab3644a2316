"""`make run`: serve the API and the admin on this machine until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
import uuid

import requests

from config.embedded import demo_data
from config.embedded.processes import ROOT, StartFailed, is_free
from config.embedded.stack import Stack, prepare_django

PORT = int(os.environ.get("PORT", "8000"))


def main() -> int:
    """Run until told to stop."""
    if not is_free(PORT):
        sys.stderr.write(f"port {PORT} is taken; name another: make run PORT=8001\n")
        return 1
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    settings = {"EMAIL_URL": os.environ.get("EMAIL_URL", f"filemail:///{ROOT / 'var' / 'mail'}")}
    stack = Stack(home=ROOT / "var", web_port=PORT, keeps_state=True, settings=settings)
    try:
        _say("starting ...")
        stack.start_database()
        prepare_django()
        from django.core.management import call_command

        call_command("seed_demo", verbosity=0)
        stack.start_services(say=_say)
        _greet(stack)
        while not stop.wait(1):
            stack.check()
    except StartFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        _say("\nstopping ...")
        stack.stop()
    return 0


def _greet(stack: Stack) -> None:
    """Say where everything is, with a curl line that works as it stands."""
    login = requests.post(
        f"{stack.url}/_allauth/app/v1/auth/login",
        json={"email": demo_data.SHOPPER.email, "password": demo_data.SHOPPER.password},
        timeout=10,
    )
    token = login.json()["meta"]["session_token"]
    _say(f"""
API         {stack.url}/api/v1/docs
admin       {stack.url}/admin/   {demo_data.STAFF.email} / {demo_data.STAFF.password}
shopper     {demo_data.SHOPPER.email} / {demo_data.SHOPPER.password}
mail        var/mail/   logs  var/log/

Place an order:

curl -i {stack.url}/api/v1/orders \\
  -H 'Authorization: Bearer {token}' \\
  -H 'Idempotency-Key: {uuid.uuid4()}' \\
  -H 'Content-Type: application/json' \\
  -d '{{"lines": [{{"sku": "{demo_data.PRODUCTS[0].sku}", "quantity": 1}}], "payment_method": "pm_card_visa",
       "shipping_address": {{"name": "Ada Example", "line1": "1 Harbor Street", "city": "Lisbon",
                            "postal_code": "1100-001", "country": "PT"}}}}'

Ctrl-C stops everything; data stays in var/.""")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
