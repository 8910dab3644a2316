"""`make run`: serve the storefront, the API and the admin on this machine until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import requests

from local import running
from local.demo import data as demo_data
from local.processes import ROOT, StartFailed, is_free
from local.stack import Stack, prepare_django

# What commands in another shell need to reach this shop.
TOLD = ("STRIPE_API_BASE", "STOREFRONT_URL", "EMAIL_URL")
PORT = int(os.environ.get("PORT", "8000"))


def main() -> int:
    """Run until told to stop."""
    if not is_free(PORT):
        sys.stderr.write(f"port {PORT} is taken; name another: make run PORT=8001\n")
        return 1
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    stack = Stack(home=ROOT / "var", web_port=PORT, keeps_state=True)
    stack.settings = own_settings(stack)
    try:
        _say("starting ...")
        stack.start_database()
        prepare_django()
        from django.core.management import call_command

        call_command("seed_demo", prices=True, verbosity=0)
        stack.start_services(say=_say)
        running.tell({name: os.environ[name] for name in TOLD if name in os.environ})
        _greet(stack)
        while not stop.wait(1):
            stack.check()
    except StartFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        _say("\nstopping ...")
        running.forget()
        stack.stop()
    return 0


def own_settings(stack: Stack) -> dict[str, str]:
    """Return what this shop sets unless the environment does: mails go to files, and their links lead to this server."""
    ours = {"EMAIL_URL": f"filemail:///{ROOT / 'var' / 'mail'}", "STOREFRONT_URL": stack.url}
    return {name: os.environ.get(name, value) for name, value in ours.items()}


def _greet(stack: Stack) -> None:
    """Say where everything is, with a curl line that works as it stands."""
    login = requests.post(
        f"{stack.url}/_allauth/app/v1/auth/login",
        json={"email": demo_data.SHOPPER.email, "password": demo_data.SHOPPER.password},
        timeout=10,
    )
    token = login.json()["meta"]["session_token"]
    _say(f"""
shop        {stack.url}/
API         {stack.url}/api/v1/docs
admin       {stack.url}/admin/   {demo_data.STAFF.email} / {demo_data.STAFF.password}
shopper     {demo_data.SHOPPER.email} / {demo_data.SHOPPER.password}
cards       pm_card_visa pays, pm_card_authenticationRequired asks the bank (3-D Secure), pm_card_chargeDeclined is declined
mail        {where_mail_goes(os.environ["EMAIL_URL"])}   logs  var/log/

Place an order:

curl -i {stack.url}/api/v1/orders \\
  -H 'Authorization: Bearer {token}' \\
  -H 'Idempotency-Key: {uuid.uuid4()}' \\
  -H 'Content-Type: application/json' \\
  -d '{{"lines": [{{"sku": "{demo_data.PRODUCTS[0].sku}", "quantity": 1}}], "payment_method": "pm_card_visa",
       "shipping_address": {{"name": "Ada Example", "line1": "1 Harbor Street", "city": "Lisbon",
                            "postal_code": "1100-001", "country": "PT"}}}}'

In another shell: python manage.py explain_order ORDER, audit, reconcile_payments ...
Ctrl-C stops everything; {_where_data_stays(stack)}.""")


def where_mail_goes(email_url: str) -> str:
    """Return the folder or the server that mails go to, without its password; or in which file of the logs they stand."""
    there = urlsplit(email_url)
    if there.scheme == "filemail":
        folder = Path("/", there.path.lstrip("/"))
        return f"{folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder}/"
    if there.scheme == "consolemail":
        return "in the logs"
    return f"{there.scheme} {there.hostname or ''}{f':{there.port}' if there.port else ''}".rstrip()


def _where_data_stays(stack: Stack) -> str:
    """As root PostgreSQL's data is outside of the checkout (Note [Running as root])."""
    if stack.postgres is None:
        return "orders stay in the database that DATABASE_URL names, the sandbox's books in var/"
    home = stack.postgres.log_file.parent
    return "data stays in var/" if home == stack.postgres.home else f"data stays in {home} and in var/"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
