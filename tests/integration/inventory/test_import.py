"""`manage.py import_products`: what a CSV makes of the products, again and again."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from inventory import api as inventory
from inventory.models import Outbox, Product, Stock, StockMovement
from inventory.services import import_products as importing
from orders.models import TaxRate
from shop.money import Money
from tests.integration.inventory.reservations import at_once, levels

pytestmark = pytest.mark.usefixtures("audited")

Run = Callable[..., tuple[str, str]]
HEADER = "sku,name,price,currency,category,group,options,receive\n"
FILE = (
    HEADER + "MUG,Mug,12.50,EUR,Kitchen,MUG,color=blue,10\n"
    "CUP,Cup,9.00,EUR,Kitchen,,,\n"
    "TEA,Tea,780,JPY,Food,,,3\n"
)  # fmt: skip


@pytest.fixture
def run(database: None, tmp_path: Path) -> Run:
    """Return a function that imports a text and returns what is printed to both streams."""

    def call(text: str | bytes, *options: str) -> tuple[str, str]:
        file = tmp_path / "products.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        out, err = StringIO(), StringIO()
        try:
            call_command("import_products", str(file), *options, stdout=out, stderr=err)
        except CommandError as error:
            return out.getvalue(), err.getvalue() + f"CommandError: {error}"
        return out.getvalue(), err.getvalue()

    return call


def everything() -> list[dict[str, Any]]:
    return [dict(row) for row in Product.objects.order_by("sku").values()]


def test_an_import_adds_products_and_receives_their_units_once(run: Run):
    first = run(FILE, "--reference", "delivery 7")
    again = run("\ufeff" + FILE, "--reference", "delivery 7")
    more = run(HEADER + "MUG,Mug,12.50,EUR,Kitchen,MUG,color=blue,10\n", "--reference", "delivery 8")

    assert first[0] == "3 added, 0 changed, 0 unchanged; 13 units received\n"
    assert again[0] == "0 added, 0 changed, 3 unchanged; 0 units received, 13 were received before\n"
    assert more[0] == "0 added, 0 changed, 1 unchanged; 10 units received\n"
    assert (levels("MUG"), levels("CUP"), levels("TEA")) == ((20, 0, 0), (0, 0, 0), (3, 0, 0))
    assert inventory.get_offers(skus=["TEA"])["TEA"] == inventory.ProductOffer(
        "TEA", "Tea", Money(780, "JPY"), 3, category="Food"
    )
    assert [movement.reference for movement in StockMovement.objects.filter(sku="MUG").order_by("id")] == [
        "import delivery 7",
        "import delivery 8",
    ]
    assert Outbox.objects.filter(type="stock.received").count() == 3


def test_an_import_changes_what_its_columns_say_and_nothing_else(run: Run):
    run(FILE, "--reference", "delivery 7")
    before = {product["sku"]: product for product in everything()}

    said, _ = run("sku,price,active\nMUG,13,true\nCUP,9,no\n")

    after = {product["sku"]: product for product in everything()}
    assert said == "0 added, 2 changed, 0 unchanged; 0 units received\n"
    assert after["MUG"] == before["MUG"] | {"price_minor": 1300}
    assert after["CUP"] == before["CUP"] | {"active": False}
    assert after["TEA"] == before["TEA"]


WRONG = (
    HEADER + "MUG,Mug,12.50,EUR,Kitchen,MUG,color=blue,10\n"
    "CUP,,9.00,EUR,Kitchen,,,\n"
    "TEA,Tea,7.80,JPY,Food,,,3\n"
    "POT,Pot,15,EUR,Kitchen,MUG,color=blue,1\n"
    "PAN,Pan,0.10,IQD,Kitchen,,,\n"
)  # fmt: skip
WRONG_LINES = [
    "line 3: name: a new product needs name",
    "line 4: price: 7.80 has too many decimals for JPY",
    "line 5: options: line 2 of the group has the same",
]


def test_one_wrong_line_keeps_all_of_them_out_and_each_is_named(run: Run):
    out, err = run(WRONG, "--reference", "delivery 7")

    assert out == ""
    assert [line for line in err.splitlines() if line.startswith("line ")][:3] == WRONG_LINES
    assert "line 6: " in err
    assert err.endswith("CommandError: 4 of 5 lines have errors; nothing was imported")
    assert everything() == []


def test_keep_going_leaves_wrong_lines_out_and_still_says_so(run: Run):
    out, err = run(WRONG, "--reference", "delivery 7", "--keep-going")

    assert out == "1 added, 0 changed, 0 unchanged; 10 units received\n"
    assert err.endswith("CommandError: 4 of 5 lines have errors; the others were imported")
    assert levels("MUG") == (10, 0, 0)


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(run: Run):
    run(HEADER + "CUP,Cup,8.00,EUR,Kitchen,,,4\n", "--reference", "delivery 7")
    before = everything()

    out, _ = run(FILE, "--reference", "delivery 7", "--dry-run")

    assert out == "it would be: 2 added, 1 changed, 0 unchanged; 13 units received\n"
    assert everything() == before
    assert levels("CUP") == (4, 0, 0)


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("", (), "the file is empty; nothing was imported"),
        ("sku,colour\nMUG,red\n", (), "unknown columns: 'colour'"),
        (b"sku,name\nMUG,Caf\xe9\n", (), "the file is not in UTF-8"),
        (FILE, (), "line 2: receive: units are received under a reference; give one"),
        (FILE, ("--reference", "two\nlines"), "a reference is one line of text"),
    ],
)
def test_what_cannot_be_imported_is_told_and_changes_nothing(run: Run, text: str, options: tuple[str, ...], says: str):
    _, err = run(text, *options)

    assert says in err
    assert everything() == []


def test_of_many_lines_with_errors_the_first_hundred_are_told(run: Run):
    _, err = run(HEADER + "MUG,Mug,x,EUR,,,,\n" * 103, "-v", "0")

    assert len([line for line in err.splitlines() if line.startswith("line ")]) == 100
    assert "and 3 more lines with errors" in err
    assert err.endswith("103 of 103 lines have errors; nothing was imported")


def test_a_file_is_read_from_standard_input(database: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", StringIO(HEADER + "CUP,Cup,9.00,EUR,Kitchen,,,\n"))

    call_command("import_products", "-", "-v", "0", stdout=StringIO())

    assert levels("CUP") == (0, 0, 0)


def take_away() -> None:
    Stock.objects.filter(product_id="CUP").delete()
    Product.objects.filter(sku="CUP").delete()


def add() -> None:
    inventory.add_product(sku="TEA", name="Tea", price=Money(1, "JPY"))


@pytest.mark.parametrize(("meanwhile", "says"), [(take_away, "CUP is gone"), (add, "import the file again")])
def test_products_that_are_changed_during_an_import_keep_all_of_it_out(
    run: Run, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None], says: str
):
    inventory.add_product(sku="CUP", name="Old cup", price=Money(1, "EUR"))
    write = importing._write

    def write_late(*args: Any) -> None:
        meanwhile()
        write(*args)

    with monkeypatch.context() as patched:
        patched.setattr(importing, "_write", write_late)
        _, err = run(FILE, "--reference", "delivery 7")
    assert says in err
    assert not Product.objects.filter(sku="MUG").exists()

    assert "CommandError" not in run(FILE, "--reference", "delivery 7")[1]
    assert (levels("MUG"), levels("TEA")) == ((10, 0, 0), (3, 0, 0))


def test_a_file_that_is_not_there_is_told(database: None, tmp_path: Path):
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command("import_products", str(tmp_path / "none.csv"))


def test_two_products_of_a_group_change_places(run: Run):
    head = "sku,name,price,currency,group,options\n"
    run(head + "A,A,1,EUR,G,size=S\nB,B,1,EUR,G,size=M\nC,C,1,EUR,G,size=L\n")

    said, err = run("sku,options\nA,size=M\nB,size=S\n")
    clash, named = run("sku,options\nA,size=L\n")

    assert said.startswith("0 added, 2 changed"), err
    assert clash == ""
    assert "line 2: options: SKU C of the group has the same" in named
    assert list(Product.objects.order_by("sku").values_list("options", "group")) == [
        ({"size": "M"}, "G"),
        ({"size": "S"}, "G"),
        ({"size": "L"}, "G"),
    ]


def test_a_line_whose_place_is_kept_by_a_line_that_is_wrong_is_left_out_too(run: Run):
    head = "sku,name,price,currency,group,options\n"
    run(head + "A,A,1,EUR,G,size=S\nB,B,1,EUR,G,size=M\nC,C,1,EUR,G,size=L\n")

    out, err = run("sku,options\nA,size=M\nB,size=L\n", "--keep-going")

    assert "line 3: options: SKU C of the group has the same" in err
    assert "line 2: options: SKU B of the group has the same" in err
    assert out.startswith("0 added, 0 changed")


def test_the_same_units_arrive_once_by_two_imports_at_the_same_moment(run: Run, monkeypatch: pytest.MonkeyPatch):
    run(HEADER + "MUG,Mug,12.50,EUR,,,,\n")
    text = (HEADER + "MUG,Mug,12.50,EUR,,,,10\n").splitlines(keepends=True)

    reports = at_once([lambda: inventory.import_products(rows=text, reference="delivery 7")] * 2)

    assert sorted(report.received for report in reports) == [0, 10]
    assert levels("MUG") == (10, 0, 0)


def test_an_import_that_ended_before_the_units_is_finished_by_the_next(run: Run, monkeypatch: pytest.MonkeyPatch):
    def dies(*_args: Any, **_options: Any) -> int:
        raise inventory.InventoryBusy

    with monkeypatch.context() as patched:
        patched.setattr(importing, "_receive_once", dies)
        _, err = run(FILE, "--reference", "delivery 7")

    assert "run it again: it resumes where it stopped" in err
    assert run(FILE, "--reference", "delivery 7")[0] == "0 added, 0 changed, 3 unchanged; 13 units received\n"


def test_progress_is_told_unless_it_is_not_wanted(run: Run):
    _, told = run(FILE, "--reference", "delivery 7")
    _, quiet = run(FILE, "--reference", "delivery 8", "-v", "0")

    assert told.splitlines() == ["checked 3 of 3", "written 3 of 3", "received 2 of 2"]
    assert quiet == ""


def test_a_tax_class_that_no_rate_is_for_is_told(run: Run):
    TaxRate.objects.create(country="DE", tax_class="reduced", label="VAT 7 %", percent=7)
    text = "sku,name,price,currency,tax_class\nTEA,Tea,7.80,EUR,redused\nBOOK,Book,9.00,EUR,reduced\n"

    out, told = run(text)

    assert out.startswith("2 added")
    assert "tax class redused: no active tax rate is for it" in told
    assert "Did you mean reduced?" in told
    assert "class reduced:" not in told
    assert "redused" not in run(text)[1]


def test_where_a_service_says_the_taxes_no_tax_class_is_told(run: Run, settings: Any):
    TaxRate.objects.create(country="DE", tax_class="reduced", label="VAT 7 %", percent=7)
    settings.TAX_SERVICE = "some.service"

    _, told = run("sku,name,price,currency,tax_class\nTEA,Tea,7.80,EUR,redused\n", "-v", "0")

    assert told == ""
