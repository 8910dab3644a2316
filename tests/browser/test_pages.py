"""Every page can be read and used by everybody, and is small."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from local.demo import data as demo_data
from local.demo.customers import ADDRESS
from tests.browser.buying import PHONE, Visit, fill_in, put_into_basket, sign_in
from tests.browser.chromium import Page
from tests.browser.running import Shop

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_everything_can_be_done_by_keyboard(visit: Visit):
    page = visit()
    page.tab_to("Skip to the content")
    page.tab_to("Sign in")
    page.key("Enter")
    page.sees("New here?")
    for label, text in (("Email", demo_data.SHOPPER.email), ("Password", demo_data.SHOPPER.password)):
        page.tab_to(label)
        page.type(text)
    page.key("Enter")
    page.sees("Account")
    page.tab_to("Blue mug")
    page.key("Enter")
    page.sees("Add to basket")
    page.tab_to("Add to basket")
    page.key("Enter")
    page.tab_to("See the basket")
    page.key("Enter")
    page.tab_to("Go to checkout")
    page.key("Enter")
    page.sees("Delivery address")
    typed = {"Name": "name", "Street and number": "line1", "Postal code": "postal_code", "City": "city"}
    for label, name in typed.items():
        page.tab_to(label)
        page.type(ADDRESS[name])
    page.tab_to("Country")
    page.type("Portugal")
    page.fill("Country", "PT")
    page.sees("Order and pay €22.40")
    page.tab_to("Order and pay €22.40")
    page.key("Enter")
    page.sees("Thank you! Your order is confirmed.")
    page.tab_to("Cancel this order")
    page.key("Enter")
    page.sees("Cancel this order?")
    page.key("Escape")
    page.until("!document.querySelector('dialog')", "no dialog")
    assert page.js("document.activeElement.textContent") == "Cancel this order"


def test_a_form_says_near_each_field_what_is_wrong_with_it(visit: Visit):
    page = visit()
    sign_in(page)
    put_into_basket(page, "Blue mug")
    page.press("Basket")
    page.press("Go to checkout")
    page.sees("Order and pay €")

    page.press("Order and pay")
    page.until("document.querySelector('[name=\"shipping_address/name\"][aria-invalid]')", "the first field is marked")
    assert page.js("document.activeElement.name") == "shipping_address/name"
    assert page.js("document.getElementById('field-shipping_address-name-error').textContent")
    page.fill("Name", ADDRESS["name"])
    page.until("!document.querySelector('[name=\"shipping_address/name\"][aria-invalid]')", "no mark on what is mended")

    # What only the shop can judge, in its words.
    fill_in(page)
    page.sees("Order and pay €22.40")
    page.js("find_.field('City').value = 'Lis\\u202ebon'")
    page.press("Order and pay")
    page.until("document.querySelector('[name=\"shipping_address/city\"][aria-invalid]')", "the field is marked")
    assert page.js("document.getElementById('field-shipping_address-city-error').textContent")


def test_what_the_api_says_is_never_read_as_html(visit: Visit, shop: Shop):
    page = visit()

    page.js(
        "import('/static/storefront/dom.js').then(({ h, fill }) => fill(document.querySelector('main'),"
        " h('h1', {}, '<img src=x onerror=bad()>'), h('a', { href: 'javascript:bad()' }, 'here'),"
        " h('img', { src: 'javascript:bad()', alt: '' })))"
    )

    assert page.js("document.querySelector('main h1').children.length") == 0
    assert page.js("document.querySelector('main a').hasAttribute('href')") is False
    assert page.js("document.querySelector('main img').hasAttribute('src')") is False


def test_amounts_are_exact_in_every_currency(visit: Visit):
    page = visit()

    shown = page.js(
        "import('/static/storefront/money.js').then(({ formatted, times, sum }) => {"
        " const amount = (amount_minor, currency, exponent, formatted) => ({ amount_minor, currency, exponent, formatted });"
        " const eur = amount(1999, 'EUR', 2, '19.99'), jpy = amount(7800, 'JPY', 0, '7800'), kwd = amount(5, 'KWD', 3, '0.005');"
        " return [eur, times(eur, 3), sum([eur, times(eur, 2)]), times(jpy, 2), times(kwd, 3), times(eur, -1)]"
        ".map((each) => [each.formatted, formatted(each)]); })"
    )

    assert shown == [
        ["19.99", "€19.99"],
        ["59.97", "€59.97"],
        ["59.97", "€59.97"],
        ["15600", "¥15,600"],
        ["0.015", "KWD\u00a00.015"],
        ["-19.99", "-€19.99"],
    ]


def test_the_page_is_small_and_soon_there(visit: Visit, shop: Shop):
    page = visit()
    page.until("document.querySelector('.tile')", "products")

    sizes = page.transferred()
    first_view = page.js("performance.getEntriesByName('first-contentful-paint')[0].startTime")

    pictures = {url for url in sizes if url.endswith((".svg", ".webp", ".png", ".jpg"))}
    assert sum(size for url, size in sizes.items() if url not in pictures) < 150_000, sizes
    assert all(url.startswith(shop.url + "/") for url in sizes), sizes
    assert first_view < 1000


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return axe-core, which npm brings, pinned by its hash (its license, MPL, stays out of the checkout)."""
    if shutil.which("npm") is None:
        pytest.skip("no npm here (Debian: apt-get install npm)")
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(Path(__file__).parent / name, folder)
    brings = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=30000"]
    try:
        done = subprocess.run(brings, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("npm's registry does not answer")
    assert "EINTEGRITY" not in done.stderr, done.stderr
    if done.returncode:
        pytest.skip(f"npm reaches no registry: {done.stderr.strip().splitlines()[:1]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(visit: Visit, shop: Shop, axe: str, scheme: str):
    page = visit(prefers_color_scheme=scheme, **PHONE)
    wrong = find_barriers(page, axe, "products")
    sign_in(page)
    put_into_basket(page, "Blue mug")
    wrong += find_barriers(page, axe, "product")
    page.press("Basket")
    wrong += find_barriers(page, axe, "basket")
    fill_in(page, card="Visa •••• 3184")
    page.press("Company, phone, note")
    page.press("Send the bill to another address")
    page.sees("Order and pay €22.40")
    wrong += find_barriers(page, axe, "checkout")
    page.press("Send the bill to another address")
    page.press("Order and pay")
    page.sees("Test bank")
    wrong += find_barriers(page, axe, "the bank's question")
    page.press("Approve")
    page.sees("Thank you!")
    wrong += find_barriers(page, axe, "order")
    page.press("All orders")
    page.sees("Your orders")
    wrong += find_barriers(page, axe, "orders")
    for path in (
        "/account",
        "/nowhere",
        "/find-order",
        "/sign-in?new=1",
        "/account/password/reset",
        "/account/verify-email/key",
    ):
        page.open(shop.url + path)
        wrong += find_barriers(page, axe, path)

    assert wrong == []


def find_barriers(page: Page, axe: str, where: str) -> list[str]:
    """Return the serious findings of axe-core on what the page shows."""
    if not page.js("Boolean(window.axe)"):
        page.js(f"{axe}; 0")
    found = page.js(
        "axe.run({ resultTypes: ['violations'] }).then((found) => found.violations.map((each) =>"
        " [each.impact, each.id, each.nodes.map((node) => node.html.slice(0, 160)).join(' ')]))"
    )
    return [f"{where}: {json.dumps(each)}" for each in found if each[0] in ("serious", "critical")]
