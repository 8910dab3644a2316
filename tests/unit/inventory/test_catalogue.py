"""What a product may tell about itself, without a database."""

from datetime import UTC, datetime, timedelta

import pytest

from inventory.catalogue import MAX_WEIGHT_GRAMS, Details, Image, InvalidProduct, checked_details, words_of

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
CARD = "4242 4242 4242 4242"


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.example/mug.png",
        "http://cdn.example:8080/a/b.svg?w=200#top",
        "https://[2001:db8::1]/mug.png",
        "/static/storefront/products/mug.svg",
        "/",
    ],
)
def test_picture_is_on_the_web_or_on_this_site(url):
    assert checked_details(Details(images=(Image(url, "A mug"),))).images == (Image(url, "A mug"),)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mug.svg",
        "../mug.svg",
        "//elsewhere.example/mug.svg",
        "///elsewhere.example/mug.svg",
        "/\\elsewhere.example/mug.svg",
        "https:///mug.svg",
        "https:mug.svg",
        "https://",
        "https://user:secret@cdn.example/mug.svg",
        "https://cdn.example:port/mug.svg",
        "https://[cdn.example/mug.svg",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:image/svg+xml,<svg/>",
        "ftp://cdn.example/mug.svg",
        "/mug blue.svg",
        '/mug"onerror="x.svg',
        "/mug\n.svg",
        "/tasse-ü.svg",
        "/" + 500 * "x",
    ],
)
def test_picture_that_is_somewhere_else_is_refused(url):
    with pytest.raises(InvalidProduct) as refusal:
        checked_details(Details(images=(Image(url, "A mug"),)))

    assert refusal.value.field == "images"


@pytest.mark.parametrize(
    ("wrong", "member"),
    [
        (Details(images=(Image("/mug.svg", " "),)), "images"),
        (Details(images=(Image("/mug.svg", "two\nlines"),)), "images"),
        (Details(images=13 * (Image("/mug.svg", "A mug"),)), "images"),
        (Details(description=5001 * "x"), "description"),
        (Details(description="turned \u202e round"), "description"),
        (Details(description=f"Pay with {CARD}"), "description"),
        (Details(category=81 * "x"), "category"),
        (Details(category="two\nlines"), "category"),
        (Details(category=CARD), "category"),
        (Details(group="two words", options={"size": "M"}), "group"),
        (Details(group="TEE"), "options"),
        (Details(options={"size": ""}), "options"),
        (Details(options={"": "M"}), "options"),
        (Details(options={"size": "M", " size": "L"}), "options"),
        (Details(options={str(number): "x" for number in range(6)}), "options"),
        (Details(weight_grams=-1), "weight_grams"),
        (Details(weight_grams=MAX_WEIGHT_GRAMS + 1), "weight_grams"),
        (Details(weight_grams=True), "weight_grams"),
        (Details(tax_class="Books"), "tax_class"),
        (Details(tax_class="books\n"), "tax_class"),
        (Details(active_from=NOON, active_to=NOON), "active_to"),
        (Details(active_from=NOON.replace(tzinfo=None)), "active_from"),
    ],
)
def test_what_cannot_be_is_refused_with_the_member_it_is_in(wrong, member):
    with pytest.raises(InvalidProduct) as refusal:
        checked_details(wrong)

    assert refusal.value.field == member


def test_details_are_kept_clean():
    kept = checked_details(
        Details(
            description="  First.\r\n\r\n\tSecond.\u3000Third. \n",
            category=" Cups ",
            group="TEE",
            options={" size": "M "},
            tax_class="reduced",
            active_from=NOON,
            active_to=NOON + timedelta(seconds=1),
        )
    )

    assert kept.description == "First.\n\nSecond. Third."
    assert (kept.category, kept.options) == ("Cups", {"size": "M"})


def test_a_product_needs_no_details():
    assert checked_details(Details()) == Details()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        (" .!?&|':*\x00 ", ()),
        ("MUG-12_blue", ("MUG", "12", "blue")),
        ("Cafetière", ("Cafetiere",)),
        ("\u30b3\u30fc\u30d2\u30fc\u3000\u7d05\u8336", ("\u30b3\u30fc\u30d2\u30fc", "\u7d05\u8336")),
        ("\u0930\u0902\u0917\u0940\u0928", ("\u0930\u0902\u0917\u0940\u0928",)),
    ],
)
def test_words_of_a_search_hold_no_operator_and_no_accent(text, words):
    assert words_of(text) == words
