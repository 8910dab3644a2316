"""Insist that no amount is kept in a currency whose minor unit ISO 4217 and earlier releases count differently.

Earlier releases took the number of decimals from CLDR, which has none for these currencies. Their amounts would be read as a
hundredth (IQD: a thousandth) of what they are. docs/deployment.md says how to bring them along.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations

COUNTED_DIFFERENTLY = (
    "AFN", "ALL", "IQD", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "RSD", "SOS", "SYP", "YER",
)  # fmt: skip


def insist(apps: Any, schema_editor: Any) -> None:
    """Stop the migration where there is one. Raises: RuntimeError."""
    model = apps.get_model("orders", "Order")
    rows = model.objects.using(schema_editor.connection.alias).filter(currency__in=COUNTED_DIFFERENTLY)
    found = sorted(set(rows.values_list("currency", flat=True)))
    if found:
        raise RuntimeError(
            f"{model._meta.db_table} holds amounts in {', '.join(found)}, which this release counts by ISO 4217:"
            " see docs/deployment.md, Amounts in thirteen currencies"
        )


class Migration(migrations.Migration):
    dependencies = [("orders", "0006_walks_without_an_end")]
    operations = [migrations.RunPython(insist, migrations.RunPython.noop)]
