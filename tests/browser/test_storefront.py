"""The storefront as a shopper has it, in a real browser: what they buy, what goes wrong, and what they see of it."""

from __future__ import annotations

import uuid

import pytest

from tests.browser.buying import (
    PHONE,
    Visit,
    checkout_of,
    fill_in,
    number_of_orders,
    orders_of,
    put_into_basket,
    quoted_elsewhere,
)
from tests.browser.running import Shop

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.mark.parametrize("screen", [PHONE, {}], ids=["phone", "desktop"])
def test_a_guest_buys_and_comes_back_by_the_link_in_the_mail(visit: Visit, shop: Shop, screen: dict[str, int]):
    email = f"{uuid.uuid4().hex}@guest.example"
    page = visit(**screen)
    put_into_basket(page, "Blue mug", quantity=2)
    fill_in(page, email=email)
    page.sees("Order and pay €34.90")

    page.press("Order and pay")

    page.sees("Thank you! Your order is confirmed.")
    address = page.js("location.href")
    assert page.js("localStorage.getItem('shop.basket')") is None
    page.js(
        "(() => { const real = URL.createObjectURL;"
        " URL.createObjectURL = (file) => { window.saved = [file.type, file.size]; return real.call(URL, file); }; })()"
    )
    page.press("Receipt (PDF)")
    page.until("window.saved", "the receipt")
    kind, size = page.js("window.saved")
    assert (kind, size > 1000) == ("application/pdf", True)
    # A page that is wider than a phone's screen is shown smaller.
    width = screen.get("width", 1280)
    assert page.js("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
    page.press("Orders")
    page.sees("Your orders")
    page.sees("€34.90")
    # On another machine, where nobody has signed in.
    link = shop.link_mailed_to(email)
    assert link.startswith(f"{address}#access=")
    elsewhere = visit(**screen)
    elsewhere.open(link)
    elsewhere.sees("Thank you! Your order is confirmed.")
    assert elsewhere.js("location.href") == address
    elsewhere.press("Cancel this order")
    elsewhere.press("Cancel the order")
    elsewhere.sees("Your order is canceled, and your money is on its way back.")
    elsewhere.sees("Returned to you: €34.90")


def test_a_guest_sees_each_part_of_the_price_as_it_is_chosen_and_pays_that(visit: Visit):
    page = visit(**PHONE)
    put_into_basket(page, "Blue mug", quantity=2)
    fill_in(page, email=f"{uuid.uuid4().hex}@guest.example")
    page.sees("Order and pay €34.90")
    page.sees("including VAT 23 %")

    page.fill("Country", "DE")
    page.sees("Order and pay €29.90")
    page.sees("including VAT 19 %")
    page.press("Express")
    page.sees("Order and pay €37.90")
    page.fill("Discount code", "nothing")
    page.press("Apply")
    page.sees("NOTHING: There is no such code.")
    page.fill("Discount code", "welcome10")
    page.press("Apply")
    page.sees("Order and pay €35.40")
    page.fill("Country", "Japan")
    # It was not offered there: the shop has chosen again.
    page.sees("Order and pay €42.40")
    page.fill("Country", "DE")
    page.sees("Order and pay €27.40")
    page.press("Express")
    page.sees("Order and pay €35.40")
    page.press("Order and pay")

    page.sees("Thank you! Your order is confirmed.")
    for part in ("Welcome: 10 % off", "-€2.50", "Express", "€12.90", "including VAT 19 %", "€35.40"):
        page.sees(part)


def test_whoever_has_not_the_link_has_it_sent_to_the_orders_own_address(visit: Visit, shop: Shop):
    page = visit()

    page.press("Find an order")
    page.fill("Order number", "7K3M9Q2XAB")
    page.fill("Email", "nobody@shop.example")
    page.press("Send me its link")

    page.sees("If there is such an order, a mail with its link is on its way.")


def test_a_shopper_makes_an_account_and_buys_with_it(visit: Visit):
    email = f"{uuid.uuid4().hex}@new.example"
    page = visit(**PHONE)
    put_into_basket(page, "Blue mug")
    page.press("See the basket")
    page.press("Go to checkout")
    page.press("Sign in or create an account")
    page.press("Create an account")
    page.fill("Email", email)
    page.fill("Password", "short")
    page.press("Create the account")
    page.until("document.querySelector('[name=password][aria-invalid]')", "that the password is too short")
    page.fill("Password", "a-long-enough-one-1")
    page.press("Create the account")
    page.sees(f"Signed in as {email}")
    fill_in(page)
    page.sees("Order and pay €22.40")

    page.press("Order and pay")

    page.sees("Thank you! Your order is confirmed.")
    page.press("Account")
    page.press("Sign out")
    page.until("!localStorage.getItem('shop.session')", "that the session is gone")
    # Whoever comes next on this machine finds no address, no link to an order and no session.
    kept = "Object.entries(localStorage).concat(Object.entries(sessionStorage)).flat().join()"
    assert email not in page.js(kept), page.js(kept)
    assert "line1" not in page.js(kept), page.js(kept)
    page.press("Orders")
    page.sees("Sign in to see your orders")


def test_what_only_some_shoppers_have_to_say_is_folded_away_and_reaches_the_order(visit: Visit):
    page = visit(**PHONE)
    # A language that the shop cannot write amounts in.
    page.call("Network.setUserAgentOverride", userAgent="Chromium", acceptLanguage="de-PT")
    page.reload()
    put_into_basket(page, "Blue mug")
    fill_in(page, email=f"{uuid.uuid4().hex}@guest.example")
    page.until("!find_.field('Company')", "that the form is short")
    page.press("Company, phone, note")
    said = {
        "Company": "Engines Lda",
        "VAT number": "nothing",
        "Phone": "+351 21 123 4567",
        "Note to the shop": "Ring twice",
    }
    for label, text in said.items():
        page.fill(label, text)
    page.sees("This is not the format of a VAT number of NO.")
    page.fill("VAT number", "PT 501 964 843")
    page.press("Send the bill to another address")
    assert page.js("document.querySelector('[name=\"billing_address/country\"]').value") == "PT"
    page.press("Order and pay")
    page.until("document.activeElement.name === 'billing_address/name'", "that the bill needs a name")
    for name, text in {
        "name": "Accounting",
        "line1": "Rua do Ouro 2",
        "postal_code": "4050-123",
        "city": "Porto",
    }.items():
        page.js(f"document.querySelector('[name=\"billing_address/{name}\"]').focus()")
        page.type(text)
    page.reload()
    # The company owes the tax itself.
    page.sees("Order and pay €18.21")
    page.press("Order and pay")

    page.sees("Thank you! Your order is confirmed.")
    (order,) = orders_of(page)
    assert {name: order[name] for name in ("company", "vat_number", "phone", "note", "locale")} == {
        "company": "Engines Lda",
        "vat_number": "PT501964843",
        "phone": "+351211234567",
        "note": "Ring twice",
        "locale": "",
    }
    assert (order["billing_address"]["name"], order["billing_address"]["city"]) == ("Accounting", "Porto")


def test_a_total_that_has_changed_by_the_time_of_the_order_is_shown_and_agreed_to(visit: Visit):
    page = checkout_of(visit, "Blue mug", total="€22.40")
    before = number_of_orders(page)
    quoted_elsewhere(page, "DE")
    page.fill("Postal code", "1100-049")
    page.sees("Order and pay €17.40")

    page.press("Order and pay")

    page.sees("It is €22.40 now, and was €17.40.")
    assert number_of_orders(page) == before
    page.press("Order and pay €22.40")
    page.sees("Thank you! Your order is confirmed.")
    assert number_of_orders(page) == before + 1


# --- accessibility ------------------------------------------------------------------------------------------------------


def test_the_checkout_asks_for_what_the_address_needs_in_its_country(visit: Visit):
    page = visit(**PHONE)
    put_into_basket(page, "Blue mug")
    fill_in(page, email=f"{uuid.uuid4().hex}@guest.example")
    needed = "['Postal code', 'State or region'].map((label) => find_.field(label).required)"

    page.fill("Country", "IE")
    assert page.js(needed) == [False, False]
    page.fill("Country", "US")
    assert page.js(needed) == [True, True]
    assert "State or region (optional)" not in page.text()
    page.press("Order and pay")
    page.until("find_.field('State or region').getAttribute('aria-invalid') === 'true'", "that a state is missing")
    # New York is one of the two states whose tax the demo shop charges.
    page.fill("State or region", "Nowhere")
    page.sees("This state or region is not known. Please enter its name or its code.")
    page.fill("Country", "PT")
    page.sees("State or region (optional)")
    page.sees("Order and pay €22.40")
    page.press("Order and pay")
    page.sees("Thank you! Your order is confirmed.")
