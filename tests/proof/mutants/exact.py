"""Mutants of what an amount, a country, an id or an address may be, of whose fault a refusal is, and of how answers are told."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

TABLES = "tests/unit/shop/test_iso_tables.py"
ONE_MEANING = "tests/proof/security/test_one_meaning.py"
TEXTS = "tests/unit/shop/test_text.py"
MAIL = "shop/mail_address.py"
AMOUNTS = "payments/gateways/stripe/amounts.py"
WORDS = "payments/gateways/stripe/words.py"
CHARGEABLE = "tests/unit/payments/test_chargeable.py"
AUTHORIZE = "tests/integration/payments/test_authorize.py"
JOURNEYS = "tests/integration/orders/test_journeys.py"
PUBLIC = "tests/integration/shop/test_public_answers.py"
COMPRESSION = "shop/rest/compression.py"
CORS = "tests/integration/shop/test_cors.py"

MUTANTS = (
    Mutant(
        removes="the shop's own exponents: a library's data says them",
        promise="edge",
        file="shop/currencies.py",
        old="    code: exponent\n",
        new='    code: __import__("babel.numbers").numbers.get_currency_precision(code)\n',
        killers=(f"{TABLES}::test_the_minor_unit_is_that_of_iso_4217", f"{TABLES}::test_no_exponent_ever_changes"),
    ),
    Mutant(
        removes="the pin on exponents that nobody lists in a test",
        promise="edge",
        file="shop/currencies.py",
        old='_FOUR_DECIMALS = "CLF UYW"\n',
        new='_FOUR_DECIMALS = "CLF UYW BOV"\n',
        killers=(f"{TABLES}::test_no_exponent_ever_changes",),
    ),
    Mutant(
        removes="the currency's own decimals from an amount that people read",
        promise="edge",
        file="shop/money.py",
        old="currency=amount.currency, currency_digits=False)",
        new="currency=amount.currency, currency_digits=True)",
        killers=(f"{TABLES}::test_amounts_are_written_with_the_minor_unit_of_iso_4217",),
    ),
    Mutant(
        removes="the stop of an upgrade that would rescale prices",
        promise="edge",
        file="inventory/migrations/0003_amounts_by_iso_4217.py",
        old="raise RuntimeError(",
        new="print(",
        killers=(
            "tests/integration/shop/test_amounts_by_iso.py::test_prices_that_were_counted_differently_stop_the_upgrade",
        ),
    ),
    Mutant(
        removes="Kosovo from the countries",
        promise="edge",
        file="shop/countries.py",
        old='        "XK",\n',
        new="",
        killers=(f"{TABLES}::test_countries_are_those_of_iso_3166_and_kosovo",),
    ),
    Mutant(
        removes="the shop's own table of countries: two letters are one",
        promise="edge",
        file="orders/rest/serializers.py",
        old="        if value not in COUNTRIES:\n",
        new="        if len(value) != 2:\n",
        killers=(f"{ONE_MEANING}::test_a_parcel_goes_to_a_country",),
    ),
    Mutant(
        removes="the countries from the short way of reading an order",
        promise="edge",
        file="orders/rest/usual.py",
        old='    if address["country"] not in COUNTRIES or not all(',
        new="    if not all(",
        killers=(f"{ONE_MEANING}::test_a_parcel_goes_to_a_country",),
    ),
    Mutant(
        removes="the capitals of an id",
        promise="edge",
        file="shop/rest/query.py",
        old='    regex = "[0-9a-fA-F]{8}',
        new='    regex = "[0-9a-f]{8}',
        killers=(f"{ONE_MEANING}::test_an_id_in_capitals_is_the_same_id",),
    ),
    Mutant(
        removes="the refusal of a query parameter that stands twice",
        promise="edge",
        file="shop/rest/query.py",
        old="        elif len(values) > 1:\n",
        new="        elif False:\n",
        killers=(f"{ONE_MEANING}::test_a_query_parameter_stands_once",),
    ),
    Mutant(
        removes="the comparison of an exponent that is sent with the currency's",
        promise="edge",
        file="shop/rest/fields.py",
        old='        if data.get("exponent", money.decimals) != money.decimals:\n',
        new="        if False:\n",
        killers=(f"{ONE_MEANING}::test_an_exponent_that_is_sent_is_the_currency_s",),
    ),
    Mutant(
        removes="the dot in the domain of an address",
        promise="edge",
        file=MAIL,
        old="EmailValidator(allowlist=[])",
        new="EmailValidator()",
        killers=(f"{TEXTS}::test_an_address_that_no_mail_reaches_is_refused",),
    ),
    Mutant(
        removes="the refusal of a domain that cannot be encoded",
        promise="edge",
        file=MAIL,
        old='        address.rpartition("@")[2].encode("idna")  # as the mail will be; a ValueError where that cannot be\n',
        new="",
        killers=(f"{TEXTS}::test_an_address_that_no_mail_reaches_is_refused",),
    ),
    Mutant(
        removes="the refusal of a number of the network as a domain",
        promise="edge",
        file=MAIL,
        old='    if not address.isprintable() or address.endswith("]"):',
        new="    if not address.isprintable():",
        killers=(f"{TEXTS}::test_an_address_that_no_mail_reaches_is_refused",),
    ),
    Mutant(
        removes="the rule of addresses from orders",
        promise="edge",
        file="shop/rest/fields.py",
        old="            return clean_mail_address(data)\n",
        new="            return str(data)\n",
        killers=(
            "tests/proof/security/test_texts.py::test_nobody_signs_up_or_orders_with_an_address_that_no_mail_reaches",
        ),
    ),
    Mutant(
        removes="the rule of addresses from signing up",
        promise="edge",
        file="shop/accounts/signup.py",
        old="super().clean_email(clean_mail_address(email))",
        new="super().clean_email(email)",
        killers=(
            "tests/proof/security/test_texts.py::test_nobody_signs_up_or_orders_with_an_address_that_no_mail_reaches",
        ),
    ),
    Mutant(
        removes="the refusal of an amount that the provider would round",
        promise="edge",
        file=AMOUNTS,
        old="    if lost or (amount.currency in THREE_DECIMAL and units % 10):\n",
        new="    if lost:\n",
        killers=(f"{CHARGEABLE}::test_what_can_never_be_charged_is_refused",),
    ),
    Mutant(
        removes="the refusal of a currency that the provider does not take",
        promise="edge",
        file=AMOUNTS,
        old="    if amount.currency not in TAKEN:\n",
        new="    if False:\n",
        killers=(f"{CHARGEABLE}::test_what_can_never_be_charged_is_refused",),
    ),
    Mutant(
        removes="the refusal of an amount with more digits than the provider charges",
        promise="edge",
        file=AMOUNTS,
        old="    if to_units(amount) > MAX_AMOUNT:\n",
        new="    if to_units(amount) < 0:\n",
        killers=(f"{CHARGEABLE}::test_what_can_never_be_charged_is_refused",),
    ),
    Mutant(
        removes="the amount from what a refusal may be about",
        promise="edge",
        file=WORDS,
        old='{"amount": RefusedFor.AMOUNT, "currency": RefusedFor.AMOUNT, "payment_method": RefusedFor.METHOD}',
        new='{"payment_method": RefusedFor.METHOD}',
        killers=(f"{AUTHORIZE}::test_a_currency_that_the_provider_does_not_take_is_no_declined_card",),
    ),
    Mutant(
        removes="the used token from what a refusal may be about",
        promise="edge",
        file=WORDS,
        old='    {"payment_method_used", "payment_method_unexpected_state",',
        new='    {"payment_method_unexpected_state",',
        killers=(f"{CHARGEABLE}::test_whose_fault_a_refused_request_is_stands_in_its_code",),
    ),
    Mutant(
        removes="the token from what an order can be refused for: the bank did it",
        promise="edge",
        file="payments/services/authorize.py",
        old="        return PaymentMethodRefused(detail, order_id=order_id, attempts_left=left)\n",
        new="        return CardDeclined(order_id=order_id, decline_code=code)\n",
        killers=(
            f"{AUTHORIZE}::test_a_token_that_was_used_is_no_declined_card",
            f"{JOURNEYS}::test_a_token_that_nobody_knows_is_not_told_as_the_banks_refusal",
        ),
    ),
    Mutant(
        removes="the call for staff where the provider refuses the shop's own request",
        promise="edge",
        file="payments/services/authorize.py",
        old="        metrics.REFUSED_REQUESTS.labels(kind).inc()\n",
        new="",
        killers=(f"{AUTHORIZE}::test_a_currency_that_the_provider_does_not_take_is_no_declined_card",),
    ),
    Mutant(
        removes="the refusal of a price that can never be charged, in the form",
        promise="edge",
        file="inventory/admin.py",
        old="            payments.check_chargeable(amount=money)\n",
        new="            pass\n",
        killers=(
            "tests/integration/inventory/test_admin.py::test_price_that_the_currency_cannot_have_is_refused_in_the_form",
        ),
    ),
    Mutant(
        removes="the error that a token is named with",
        promise="edge",
        file="shop/rest/problem.py",
        old="""        wrong = ', error="invalid_token"' if isinstance(error, exceptions.AuthenticationFailed) else ""\n""",
        new='        wrong = ""\n',
        killers=(f"{PUBLIC}::test_a_challenge_names_the_token_as_wrong_only_where_one_was_sent",),
    ),
    Mutant(
        removes="problems from what a caller may accept",
        promise="edge",
        file="shop/rest/negotiation.py",
        old="            if CONTENT_TYPE not in named:\n",
        new="            if True:\n",
        killers=(f"{PUBLIC}::test_who_takes_problems_gets_answers_and_problems",),
    ),
    Mutant(
        removes="the refusal of who takes no JSON",
        promise="edge",
        file="shop/rest/negotiation.py",
        old="            if CONTENT_TYPE not in named:\n",
        new="            if False:\n",
        killers=(f"{PUBLIC}::test_who_takes_neither_is_told_so",),
    ),
    Mutant(
        removes="how long a product may be kept",
        promise="edge",
        file="shop/rest/preconditions.py",
        old='    response["Cache-Control"] = f"public, max-age={seconds}"\n',
        new="",
        killers=(f"{PUBLIC}::test_a_product_may_be_kept_for_seconds_and_is_asked_after_by_its_tag",),
    ),
    Mutant(
        removes="the weakness of a product's tag, which is the same packed or not",
        promise="edge",
        file="shop/rest/preconditions.py",
        old='    response["ETag"] = f"W/{etag}"\n',
        new='    response["ETag"] = etag\n',
        killers=(
            f"{PUBLIC}::test_a_tag_of_a_compressed_answer_is_taken_too",
            f"{PUBLIC}::test_an_unchanged_answer_has_the_tag_and_vary_of_the_whole",
        ),
    ),
    Mutant(
        removes="the packing of answers that are the same for all",
        promise="edge",
        file=COMPRESSION,
        old="compressed = decorator_from_middleware(Compression)\n",
        new="def compressed(view: Any) -> Any:\n    return view\n",
        killers=(f"{PUBLIC}::test_products_and_the_description_are_compressed_for_who_takes_that",),
    ),
    Mutant(
        removes="the weight of nothing that an Accept-Encoding gives to gzip",
        promise="edge",
        file=COMPRESSION,
        old='    return any(weight is None or weight.strip("0.") for weight in weights)\n',
        new="    return bool(weights)\n",
        killers=(f"{PUBLIC}::test_an_answer_is_packed_only_for_who_takes_it",),
    ),
    Mutant(
        removes="the header that an answer varies with, where it is not packed",
        promise="edge",
        file=COMPRESSION,
        old='        patch_vary_headers(response, ("Accept-Encoding",))\n',
        new="",
        killers=(f"{PUBLIC}::test_an_unchanged_answer_has_the_tag_and_vary_of_the_whole",),
    ),
    Mutant(
        removes="the headers that a page of another origin may read",
        promise="edge",
        file="shop/rest/cors.py",
        old='        response["Access-Control-Expose-Headers"] = RESPONSE_HEADERS\n',
        new="",
        killers=(f"{CORS}::test_it_may_read_every_answer_and_the_headers_that_it_decides_by",),
    ),
    Mutant(
        removes="the origin that answers vary with",
        promise="edge",
        file="shop/rest/cors.py",
        old='    patch_vary_headers(response, ["Origin"])\n',
        new="",
        killers=(f"{CORS}::test_a_page_of_another_origin_may_not",),
    ),
    Mutant(
        removes="the silence about origins where nobody is named",
        promise="edge",
        file="shop/rest/cors.py",
        old="    if not settings.CORS_ALLOWED_ORIGINS or not request.path_info.startswith(PATHS):\n",
        new="    if not request.path_info.startswith(PATHS):\n",
        killers=(f"{CORS}::test_without_the_setting_no_answer_speaks_of_origins",),
    ),
)
