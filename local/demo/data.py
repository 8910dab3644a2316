"""Who and what the demo shop has: known passwords, so only ever in the development settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DemoUser:
    """Somebody who can sign in to a demo shop."""

    email: str
    password: str


@dataclass(frozen=True)
class DemoProduct:
    """Something to sell; `picture` is one of shop/storefront/static/storefront/products, `alt` what it shows."""

    sku: str
    name: str
    price_minor: int
    currency: str
    stock: int
    category: str
    weight_grams: int
    picture: str
    alt: str
    description: str
    group: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    tax_class: str = ""


SHOPPER = DemoUser("shopper@shop.example", "demo-shopper-pass")
STAFF = DemoUser("staff@shop.example", "demo-staff-pass")

PICTURES = "/static/storefront/products"

_MUG = (
    "Thrown by hand, glazed twice, and happy in the dishwasher.\n\n"
    "Holds 350 ml. Each one differs a little from the next, as things made by hand do."
)
_TEE = (
    "A T-shirt of heavy organic cotton that keeps its shape, wash after wash.\n\n"
    "Printed in our own workshop with inks on water. Wash at 40 degrees, inside out."
)


def _tee(size: str, stock: int, weight_grams: int) -> DemoProduct:
    return DemoProduct(
        f"TEE-{size}",
        f"T-shirt, size {size}",
        2400,
        "EUR",
        stock,
        "Clothing",
        weight_grams,
        "tee.svg",
        "A red T-shirt with a small print of a sun over the sea",
        _TEE,
        "TEE",
        {"size": size},
    )


PRODUCTS = (
    DemoProduct(
        "MUG-BLUE",
        "Blue mug",
        1250,
        "EUR",
        500,
        "Kitchen",
        380,
        "mug-blue.svg",
        "A blue mug of steaming coffee",
        _MUG,
        "MUG",
        {"color": "Blue"},
    ),
    DemoProduct(
        "MUG-GREEN",
        "Green mug",
        1250,
        "EUR",
        120,
        "Kitchen",
        380,
        "mug-green.svg",
        "A green mug of steaming coffee",
        _MUG,
        "MUG",
        {"color": "Green"},
    ),
    DemoProduct(
        "MUG-SAND",
        "Sand mug",
        1250,
        "EUR",
        4,
        "Kitchen",
        380,
        "mug-sand.svg",
        "A sand-colored mug of steaming coffee",
        _MUG,
        "MUG",
        {"color": "Sand"},
    ),
    _tee("S", 60, 160),
    _tee("M", 500, 175),
    _tee("L", 80, 190),
    _tee("XL", 0, 205),
    DemoProduct(
        "LAMP-OAK",
        "Oak desk lamp",
        8900,
        "EUR",
        40,
        "Home",
        1900,
        "lamp.svg",
        "A desk lamp with an oak arm and a dark green shade, switched on",
        "An arm of solid oak, a shade of steel, and a joint that stays where you put it.\n\n"
        "With a warm LED bulb (E14, 4 W) and two meters of cable in cotton.",
    ),
    DemoProduct(
        "POSTER-LAST",
        "Signed poster, last one",
        15000,
        "EUR",
        1,
        "Paper",
        420,
        "poster.svg",
        "A poster of a yellow moon over blue mountains, signed at the bottom",
        "The last print of an edition of fifty, numbered and signed.\n\n"
        "50 x 70 cm on cotton paper of 300 g, rolled in a tube.",
    ),
    DemoProduct(
        "NOTEBOOK-US",
        "Notebook, ruled",
        1499,
        "USD",
        200,
        "Paper",
        310,
        "notebook.svg",
        "A purple notebook with an orange band and a red bookmark",
        "192 ruled pages that lie flat, thread-sewn, with a pocket at the back.\n\n"
        "Paper of 100 g: ink does not show through. Priced in US dollars.",
    ),
    DemoProduct(
        "TEAPOT-JP",
        "Cast-iron teapot",
        7800,
        "JPY",
        30,
        "Kitchen",
        1450,
        "teapot.svg",
        "A black cast-iron teapot with a pattern of dots and a brass knob",
        "Keeps tea warm for an hour. Enameled inside, with a strainer of steel.\n\nHolds 0.6 liters. Priced in yen.",
    ),
    DemoProduct(
        "CARAFE",
        "Glass carafe",
        2900,
        "EUR",
        75,
        "Kitchen",
        720,
        "carafe.svg",
        "A glass carafe of water with slices of lemon and a cork",
        "Blown from recycled glass, with a stopper of cork. Fits into the door of a fridge.\n\nHolds 1 liter.",
    ),
    DemoProduct(
        "BOARD-OAK",
        "Chopping board",
        3450,
        "EUR",
        65,
        "Kitchen",
        1100,
        "board.svg",
        "A chopping board of oak with a handle",
        "One piece of oak, oiled by hand. Bread on one side, onions on the other.\n\n38 x 22 cm. Not for the dishwasher.",
    ),
    DemoProduct(
        "BEANIE",
        "Wool beanie",
        2750,
        "EUR",
        35,
        "Clothing",
        95,
        "beanie.svg",
        "A navy blue knitted beanie with a cream pompom",
        "Knitted from merino wool that does not scratch. One size fits most heads.\n\nWash by hand.",
    ),
    DemoProduct(
        "SOCKS",
        "Striped socks, two pairs",
        1650,
        "EUR",
        90,
        "Clothing",
        120,
        "socks.svg",
        "A yellow striped sock in front of a green one",
        "Two pairs that get along: one striped, one plain. Cotton with a little stretch, sizes 37 to 42.",
    ),
    DemoProduct(
        "BLANKET",
        "Wool blanket",
        11900,
        "EUR",
        18,
        "Home",
        1600,
        "blanket.svg",
        "Three folded blankets in shades of blue with a terracotta throw",
        "Woven from new wool on an old loom; warm in winter and light enough for a summer night.\n\n130 x 190 cm.",
    ),
    DemoProduct(
        "CANDLE-FIG",
        "Fig candle",
        2200,
        "EUR",
        0,
        "Home",
        480,
        "candle.svg",
        "A burning candle in a plum-colored jar with a leaf on its label",
        "Smells of fig leaves and a little of cedar. Rapeseed wax, a wick of cotton, forty hours of light.\n\n"
        "The next batch is being poured.",
    ),
    DemoProduct(
        "PENCILS",
        "Colored pencils, tin of 12",
        1390,
        "EUR",
        150,
        "Paper",
        240,
        "pencils.svg",
        "Four colored pencils in a wooden cup",
        "Twelve colors with a soft, bright lead, in cedar from managed woods. Can be sharpened to the last centimeter.",
    ),
)
