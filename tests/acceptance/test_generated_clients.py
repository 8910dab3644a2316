"""Clients that are generated from docs/openapi.yaml buy something: from signing up to the money that goes back."""

from __future__ import annotations

import copy
import importlib
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.processes import ROOT
from tests.contract import description
from tests.driver.factories import ProductFactory, UserFactory
from tests.driver.processes import Shop
from tests.driver.provider import Provider
from tests.driver.tokens import token_of

PACKAGE = "shop_client_of_a_test"
ADA = {"email": "ada@shop.example", "password": "correct horse battery"}
ADDRESS = {"name": "Ada", "line1": "1 Harbor Street", "city": "Lisbon", "postal_code": "1100", "country": "PT"}


class PythonClient:
    """The package that openapi-python-client makes: `client.orders.place_order.sync_detailed(...)`."""

    def __init__(self, folder: Path) -> None:
        settings = folder / "settings.yaml"
        settings.write_text("post_hooks: []\n")
        made = subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "openapi_python_client",
                    "generate",
                    "--meta",
                    "none",
                    "--config",
                    str(settings),
                ),
                *("--path", str(ROOT / "docs" / "openapi.yaml"), "--output-path", str(folder / PACKAGE)),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        self.told = made.stdout + made.stderr
        assert made.returncode == 0, self.told
        self._folder = folder / PACKAGE
        self._made: list[Any] = []

    def call(self, tag: str, operation: str) -> Callable[..., Any]:
        return importlib.import_module(f"{PACKAGE}.api.{tag}.{operation}").sync_detailed  # type: ignore[no-any-return]

    def model(self, name: str) -> Any:
        return getattr(importlib.import_module(f"{PACKAGE}.models"), name)

    def of_nobody(self, shop: Shop) -> Any:
        self._made.append(importlib.import_module(f"{PACKAGE}.client").Client(base_url=shop.url, timeout=90))
        return self._made[-1]

    def of_token(self, shop: Shop, token: str) -> Any:
        made = importlib.import_module(f"{PACKAGE}.client").AuthenticatedClient
        self._made.append(made(base_url=shop.url, token=token, timeout=90, headers={"X-Session-Token": token}))
        return self._made[-1]

    def close(self) -> None:
        for made in self._made:
            made.get_httpx_client().close()

    def models(self) -> set[str]:
        return set(importlib.import_module(f"{PACKAGE}.models").__all__)

    def operations(self) -> set[str]:
        return {path.stem for path in (self._folder / "api").glob("*/*.py")} - {"__init__"}


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PythonClient]:
    made = PythonClient(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        monkeypatch.delitem(sys.modules, name)
    yield made
    made.close()


def test_a_python_client_has_every_model_and_every_call(client: PythonClient):
    operations = {each["operationId"] for path in description()["paths"].values() for each in path.values()}
    objects = {name for name, schema in description()["components"]["schemas"].items() if "properties" in schema}

    assert "Warning" not in client.told, client.told
    assert client.operations() == operations
    assert objects <= client.models()


@pytest.mark.timeout(600)
def test_a_python_client_buys_something_and_gets_its_money_back(
    client: PythonClient, start_shop: Callable[..., Shop], sandbox: Provider
):
    ProductFactory(sku="MUG", stock=10)
    shop = start_shop()
    shop.start_web()
    nobody = client.of_nobody(shop)
    order_request = client.model("PlaceOrderRequest").from_dict

    signed_up = client.call("sign_in", "sign_up")(client=nobody, body=client.model("SignUpRequest").from_dict(ADA))
    signed_in = client.call("sign_in", "sign_in")(client=nobody, body=client.model("SignInRequest").from_dict(ADA))
    assert (signed_up.status_code, signed_in.status_code) == (200, 200), shop.tails()
    ada = client.of_token(shop, signed_in.parsed.meta.session_token)

    (product,) = client.call("products", "list_products")(client=nobody).parsed.results
    body = {"lines": [{"sku": product.sku, "quantity": 2}], "shipping_address": ADDRESS}

    # Bought at once, at the price that was shown.
    shown = {"amount_minor": product.price.amount_minor * 2, "currency": product.price.currency}
    placed = client.call("orders", "place_order")(
        client=ada,
        body=order_request(body | {"payment_method": "pm_card_visa", "expected_total": shown}),
        idempotency_key=str(uuid.uuid4()),
    )
    assert (placed.status_code, placed.parsed.status, placed.parsed.cancel_reason) == (201, "CONFIRMED", None)
    etag = placed.headers["ETag"]
    assert client.call("orders", "get_order")(placed.parsed.id, client=ada, if_none_match=etag).status_code == 304

    # Placed first and paid later; then not wanted any more.
    key = str(uuid.uuid4())
    waiting = client.call("orders", "place_order")(client=ada, body=order_request(body), idempotency_key=key)
    assert (waiting.status_code, waiting.parsed.next_action) == (201, "provide_payment_method")
    paid = client.call("orders", "pay_order")(
        waiting.parsed.id,
        client=ada,
        body=client.model("PaymentMethodRequest").from_dict({"payment_method": "pm_card_visa"}),
        idempotency_key=str(uuid.uuid4()),
    )
    canceled = client.call("orders", "cancel_order")(
        waiting.parsed.id, client=ada, body=client.model("NothingRequest")(), idempotency_key=str(uuid.uuid4())
    )
    assert (paid.parsed.status, canceled.status_code) == ("CONFIRMED", 200)
    assert canceled.parsed.payment.refunded.amount_minor == waiting.parsed.total.amount_minor

    # Refused, with facts of their types.
    declined = client.call("orders", "place_order")(
        client=ada,
        body=order_request(body | {"payment_method": "pm_card_visa_chargeDeclined"}),
        idempotency_key=str(uuid.uuid4()),
    )
    assert isinstance(declined.parsed, client.model("CardDeclinedProblem")), declined.content
    assert isinstance(declined.parsed.facts.order_id, uuid.UUID)
    many = {"lines": [{"sku": "MUG", "quantity": 999}], "payment_method": "pm_card_visa"}
    short = client.call("orders", "place_order")(
        client=ada, body=order_request(body | many), idempotency_key=str(uuid.uuid4())
    )
    assert isinstance(short.parsed, client.model("InsufficientStockProblem")), short.content
    assert (short.parsed.facts.sku, short.parsed.facts.wanted) == ("MUG", 999)

    # Staff give a part back, and the customer sees it.
    staff = UserFactory(is_staff=True, permissions=("orders.view_order", "orders.refund_order"))
    refunded = client.call("orders", "refund_order")(
        placed.parsed.id,
        client=client.of_token(shop, token_of(staff)),
        body=client.model("RefundRequest").from_dict(
            {"amount": {"amount_minor": 100, "currency": "EUR"}, "reason": "a scratch"}
        ),
        idempotency_key=str(uuid.uuid4()),
    )
    assert refunded.status_code == 201, refunded.content
    (refund,) = client.call("orders", "list_refunds")(placed.parsed.id, client=ada).parsed.results
    assert (refund.amount.amount_minor, refund.amount.formatted) == (100, "1.00")
    orders = client.call("orders", "list_orders")(client=ada).parsed.results
    # The one whose card was declined waits for another card.
    assert {"CONFIRMED", "REFUNDED", "CANCELED", "AWAITING_PAYMENT"} == {order.status for order in orders}

    assert client.call("sign_in", "sign_out")(client=ada).status_code == 401
    assert isinstance(
        client.call("orders", "list_orders")(client=ada).parsed, client.model("AuthenticationFailedProblem")
    )


# --- TypeScript: where npm is, and reaches its registry ---------------------------------------------------------------

TYPESCRIPT = Path(__file__).parent / "typescript"
# What npm says where our own files are at fault; all else is a registry that it cannot reach.
OUR_FAULT = ("EINTEGRITY", "EUSAGE", "EJSONPARSE")
FETCH_BRIEFLY = ("--fetch-retries=1", "--fetch-timeout=30000")


@pytest.fixture(scope="module")
def storefront(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with purchase.ts beside the types that openapi-typescript makes, its packages pinned by hash."""
    if shutil.which("npm") is None:
        pytest.skip("no npm here (Debian: apt-get install npm)")
    folder = tmp_path_factory.mktemp("typescript") / "storefront"
    shutil.copytree(TYPESCRIPT, folder)
    try:
        installed = _run(folder, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", *FETCH_BRIEFLY)
    except subprocess.TimeoutExpired:
        pytest.skip("npm's registry does not answer")
    assert not any(word in installed.stderr for word in OUR_FAULT), installed.stderr
    if installed.returncode:
        pytest.skip(f"npm reaches no registry: {installed.stderr.strip().splitlines()[:1]}")
    return folder


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def _compile(folder: Path, described: Path) -> str:
    """Make types of a description and compile purchase.ts strictly against them; return what the compiler says."""
    binaries = folder / "node_modules" / ".bin"
    made = _run(folder, str(binaries / "openapi-typescript"), str(described), "-o", "schema.ts")
    assert made.returncode == 0, made.stderr
    return _run(folder, str(binaries / "tsc"), "-p", ".").stdout


@pytest.mark.timeout(900)
def test_a_strict_typescript_client_buys_something_and_gets_its_money_back(
    storefront: Path, start_shop: Callable[..., Shop], sandbox: Provider
):
    ProductFactory(sku="MUG", stock=10)
    staff = UserFactory(is_staff=True, permissions=("orders.view_order", "orders.refund_order"))
    assert _compile(storefront, ROOT / "docs" / "openapi.yaml") == ""
    shop = start_shop()
    shop.start_web()

    done = _run(storefront, "node", "out/purchase.js", shop.url, token_of(staff))

    assert done.returncode == 0, f"{done.stderr}\n{shop.tails()}"


@pytest.mark.timeout(900)
def test_a_default_in_a_request_would_break_a_strict_typescript_client(storefront: Path, tmp_path: Path):
    broken = copy.deepcopy(description())
    broken["components"]["schemas"]["AddressRequest"]["properties"]["line2"]["default"] = ""
    (tmp_path / "openapi.yaml").write_text(yaml.safe_dump(broken))

    assert "Property 'line2' is missing" in _compile(storefront, tmp_path / "openapi.yaml")
