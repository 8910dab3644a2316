"""Import a CSV of products: each line adds a product or updates it to what the line says, and its units are received.

Idempotent: a product is known by its SKU, units by SKU and reference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import structlog
from django.db import IntegrityError

from inventory.catalogue import InvalidProduct, checked_line
from inventory.events import StockReceived
from inventory.models import MovementKind, Product, Stock, StockMovement
from inventory.queries import reachable
from inventory.rules import Line as Units
from inventory.services import ledger, product_lines
from inventory.services.product_lines import Known, Line, LineError, Wanted
from inventory.services.products import checked_columns
from shop.errors import Refusal
from shop.events.publishing import publish

log = structlog.get_logger(__name__)

# Units are received so many products at a time: buyers wait for the stock of these only.
RECEIVED_AT_ONCE = 100
_READ_AT_ONCE = 500
MAX_REFERENCE = 190

T = TypeVar("T")
# What is being done, how much of it is done, and of how much.
Progress = Callable[[str, int, int], object]


class ChangedMeanwhile(Refusal):
    """Somebody added or changed the same products during the import; nothing was imported."""

    code = "products_changed_meanwhile"
    title = "Products were changed during the import; import the file again"


@dataclass(frozen=True)
class ImportReport:
    """What an import did, or with `dry_run` would do. Units are `received` now, or were by an earlier run.

    `tax_classes`: those of the products that it added or changed.
    """

    lines: int
    added: int
    changed: int
    unchanged: int
    received: int
    received_before: int
    errors: tuple[LineError, ...]
    tax_classes: tuple[str, ...]
    written: bool


@dataclass(frozen=True)
class _Plan:
    """A line that is right: the columns of its product, which of them change, and the units to receive."""

    line: Line
    columns: dict[str, object]
    is_new: bool
    changes: bool
    receive: int


def import_products(
    *,
    rows: Iterable[str],
    delimiter: str = ",",
    reference: str = "",
    keep_going: bool = False,
    dry_run: bool = False,
    progress: Progress = lambda _doing, _done, _of: None,
) -> ImportReport:
    """Update the products to what the lines of a CSV say; with an error in any line nothing is written.

    `keep_going` skips lines with errors instead. All products are one transaction; then units are received under
    `reference`, and a run that ended in between is finished by running it again.

    Raises: UnreadableFile, InvalidProduct, ChangedMeanwhile, InventoryUnavailable.
    """
    reference = checked_line("reference", reference, most=MAX_REFERENCE, least=0)
    lines, errors = product_lines.read_lines(rows, delimiter=delimiter)
    plans: list[_Plan] = []
    for known, batch in _with_what_is_known(lines):
        for line in batch:
            try:
                plans.append(_plan(line, known.get(line.sku), reference))
            except Refusal as error:
                errors.append(LineError(line.number, _told(error)))
        progress("checked", len(plans) + len(errors), len(lines))
    plans, clashes = _without_clashes(plans)
    errors = sorted([*errors, *clashes], key=lambda error: error.number)
    writes = not dry_run and (keep_going or not errors)
    if writes:
        _write(plans, progress)
    received, before = _receive(plans, reference, writes=writes, progress=progress)
    report = ImportReport(
        lines=len(plans) + len(errors),
        added=sum(plan.is_new for plan in plans),
        changed=sum(plan.changes and not plan.is_new for plan in plans),
        unchanged=sum(not plan.changes for plan in plans),
        received=received,
        received_before=before,
        errors=tuple(errors),
        tax_classes=tuple(sorted({str(plan.columns["tax_class"]) for plan in plans if plan.changes} - {""})),
        written=writes,
    )
    log.info(
        "products.imported",
        lines=report.lines,
        errors=len(errors),
        added=report.added,
        changed=report.changed,
        written=writes,
    )
    return report


def _with_what_is_known(lines: Sequence[Line]) -> Iterator[tuple[dict[str, Product], Sequence[Line]]]:
    for batch in _batches(lines, _READ_AT_ONCE):
        with reachable():
            known = {product.sku: product for product in Product.objects.filter(sku__in=[line.sku for line in batch])}
        yield known, batch


def _plan(line: Line, product: Product | None, reference: str) -> _Plan:
    """Return what is to be done for a line. Raises: InvalidProduct, UnchargeableAmount."""
    known = product and Known(product.name, product.price, product.active, product.details)
    wanted: Wanted = product_lines.wanted_by(line, known or None)
    if wanted.receive and not reference:
        raise InvalidProduct("units are received under a reference; give one", field="receive")
    columns = checked_columns(wanted.name, wanted.price, wanted.active, wanted.details)
    # JSON has no tuples.
    columns["images"] = list(columns["images"])
    changes = product is None or any(getattr(product, name) != value for name, value in columns.items())
    return _Plan(line, columns, product is None, changes, wanted.receive)


def _told(error: Refusal) -> str:
    member = error.facts.get("field")
    return f"{member}: {error.detail}" if member else error.detail


def _without_clashes(plans: Sequence[_Plan]) -> tuple[list[_Plan], list[LineError]]:
    """Separate the lines whose product would be the second one with its options in its group.

    What such a line is about stays as it is, and may so be in the way of another line: until none is.
    """
    stored = list(_stored_variants({str(plan.columns["group"]) for plan in plans} - {""}))
    fit, errors = list(plans), []
    while True:
        ours = {plan.line.sku for plan in fit}
        taken = {variant: f"SKU {sku}" for sku, variant in stored if sku not in ours}
        clashing = set()
        for plan in fit:
            if not plan.columns["group"]:
                continue
            variant = _variant(plan.columns["group"], plan.columns["options"])
            if variant in taken:
                clashing.add(plan.line.number)
                errors.append(LineError(plan.line.number, f"options: {taken[variant]} of the group has the same"))
            else:
                taken[variant] = f"line {plan.line.number}"
        if not clashing:
            return fit, errors
        fit = [plan for plan in fit if plan.line.number not in clashing]


def _stored_variants(groups: set[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    for batch in _batches(sorted(groups), _READ_AT_ONCE):
        with reachable():
            found = list(Product.objects.filter(group__in=batch).values_list("sku", "group", "options"))
        for sku, group, options in found:
            yield sku, _variant(group, options)


def _variant(group: object, options: object) -> tuple[str, str]:
    return str(group), json.dumps(options, sort_keys=True)


def _write(plans: Sequence[_Plan], progress: Progress) -> None:
    """Write all products in one transaction. Raises: ChangedMeanwhile, InventoryUnavailable."""
    to_write = [plan for plan in plans if plan.changes]
    try:
        with ledger.unit_of_work():
            # Two products of a group may change places: none of them has its old one meanwhile.
            for batch in _batches([plan.line.sku for plan in to_write if not plan.is_new], _READ_AT_ONCE):
                Product.objects.filter(sku__in=batch).exclude(group="").update(group="")
            for number, plan in enumerate(to_write, start=1):
                if plan.is_new:
                    Stock.objects.create(product=Product.objects.create(sku=plan.line.sku, **plan.columns))
                elif not Product.objects.filter(sku=plan.line.sku).update(**plan.columns):
                    raise ChangedMeanwhile(f"{plan.line.sku} is gone")
                if number % _READ_AT_ONCE == 0 or number == len(to_write):
                    progress("written", number, len(to_write))
    except IntegrityError as error:
        raise ChangedMeanwhile from error


def _receive(plans: Sequence[_Plan], reference: str, *, writes: bool, progress: Progress) -> tuple[int, int]:
    """Receive the units of each product under this reference, once; return how many now, and how many were before."""
    to_receive = sorted((plan.line.sku, plan.receive) for plan in plans if plan.receive)
    received = before = done = 0
    noted = f"import {reference}"
    for batch in _batches(to_receive, RECEIVED_AT_ONCE):
        if writes:
            now = _receive_once([Units(sku, quantity) for sku, quantity in batch], noted)
        else:
            with reachable():
                known = _received_already([sku for sku, _ in batch], noted)
            now = sum(quantity for sku, quantity in batch if sku not in known)
        received += now
        before += sum(quantity for _, quantity in batch) - now
        done += len(batch)
        progress("received", done, len(to_receive))
    return received, before


def _receive_once(units: Sequence[Units], reference: str) -> int:
    """Receive what has not been under this reference. The stock is locked first: two runs do not both receive it."""
    with ledger.unit_of_work() as cursor:
        levels = ledger.lock(cursor, [unit.sku for unit in units])
        known = _received_already([unit.sku for unit in units], reference)
        missing = [unit for unit in units if unit.sku not in known]
        if not missing:
            return 0
        after = ledger.move(cursor, ledger.RECEIVE, [(None, unit) for unit in missing], reference=reference)
        for unit in missing:
            product_id: UUID = levels[unit.sku].product_id
            publish(
                StockReceived(product_id=product_id, sku=unit.sku, quantity=unit.quantity),
                aggregate_id=product_id,
                aggregate_version=after[unit.sku].version,
            )
    return sum(unit.quantity for unit in missing)


def _received_already(skus: Sequence[str], reference: str) -> set[str]:
    received = StockMovement.objects.filter(sku__in=skus, kind=MovementKind.RECEIVED, reference=reference)
    return set(received.values_list("sku", flat=True))


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
