"""The pages of an account, and links that lead nowhere."""

from __future__ import annotations

import uuid

import pytest

from local.demo import data as demo_data
from tests.browser.buying import PHONE, Visit, sign_in
from tests.browser.running import Shop

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_an_address_that_does_not_exist_leads_home(visit: Visit, shop: Shop):
    page = visit()
    page.open(shop.url + "/no/such/page")
    page.sees("This page does not exist")
    page.press("See the products")
    page.sees("Blue mug")

    page.open(shop.url + "/products/NOTHING")
    page.sees("There is no such product")
    page.until("document.querySelector('meta[name=robots]')?.content === 'noindex'", "that nobody is to search for it")
    sign_in(page)
    page.open(f"{shop.url}/orders/{uuid.uuid4()}")
    page.sees("There is no such order")
    page.press("See the products")
    page.sees("Blue mug")
    assert page.js("document.querySelector('meta[name=robots]')") is None


def test_an_account_changes_its_address_and_its_password(visit: Visit, shop: Shop):
    email, new = f"{uuid.uuid4().hex}@new.example", f"{uuid.uuid4().hex}@new.example"
    page = visit(**PHONE)
    page.open(shop.url + "/sign-in?new=1&next=/account")
    page.fill("Email", email)
    page.fill("Password", "a-long-enough-one-1")
    page.press("Create the account")
    page.sees(f"Signed in as {email}")

    page.press("Change the email address")
    page.fill("New email", new)
    page.fill("Your password", "not-the-right-one")
    page.press("Change it")
    page.until("document.querySelector('[name=password][aria-invalid]')", "that the password is wrong")
    page.fill("Your password", "a-long-enough-one-1")
    page.press("Change it")
    page.sees(f"We have sent a link to {new}.")
    page.open(shop.link_mailed_to(new, to="account/verify-email"))
    page.press("Confirm my address")
    page.sees(f"Signed in as {new}")
    page.press("Change the password")
    page.fill("Your password", "a-long-enough-one-1")
    page.fill("New password", "a-long-enough-one-2")
    page.press("Change it")
    page.sees("Your new password is set.")
    page.reload()
    page.press("Sign out")
    page.until("!localStorage.getItem('shop.session')", "that the session is gone")
    page.sees("Blue mug")

    page.press("Sign in")
    page.sees("New here?")
    page.fill("Email", new)
    page.fill("Password", "a-long-enough-one-2")
    page.key("Enter")
    page.until("document.getElementById('account').textContent === 'Account'", "that the new password is good")


def test_a_link_that_opens_nothing_leads_to_another(visit: Visit, shop: Shop):
    page = visit()

    page.open(f"{shop.url}/orders/{uuid.uuid4()}#access=nothing")
    page.sees("This link is not valid, or no longer valid; ask for a new one.")
    page.press("its link sent to you")

    page.sees("Send me its link")


@pytest.mark.parametrize("elsewhere", ["/%09/evil.example/", "//evil.example/", "/%5Cevil.example/"])
def test_signing_in_leads_to_this_shop_and_nowhere_else(visit: Visit, shop: Shop, elsewhere: str):
    page = visit()
    page.open(f"{shop.url}/sign-in?next={elsewhere}")
    page.fill("Email", demo_data.SHOPPER.email)
    page.fill("Password", demo_data.SHOPPER.password)

    page.key("Enter")

    page.sees("Account")
    page.sees("Blue mug")
    assert page.js("location.href") == f"{shop.url}/"
