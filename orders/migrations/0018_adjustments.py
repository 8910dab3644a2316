import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

# TRUNCATE is left to those who own the table.
REFUSE_CHANGES = """
CREATE FUNCTION orders.refuse_adjustment_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the adjustments of orders are append-only: they are what the customer was told'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER refuse_adjustment_rewrite BEFORE UPDATE OR DELETE ON orders.orders_adjustment
    FOR EACH ROW EXECUTE FUNCTION orders.refuse_adjustment_rewrite();
"""
ALLOW_CHANGES = """
DROP TRIGGER refuse_adjustment_rewrite ON orders.orders_adjustment;
DROP FUNCTION orders.refuse_adjustment_rewrite();
"""


class Migration(migrations.Migration):
    """Adds what discounts, shipping, fees and taxes add to an order's lines. Orders of the release before have none."""

    dependencies = [("orders", "0017_guests")]

    operations = [
        migrations.CreateModel(
            name="Adjustment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveSmallIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[("discount", "discount"), ("shipping", "shipping"), ("fee", "fee"), ("tax", "tax")],
                        max_length=16,
                    ),
                ),
                ("label", models.CharField(help_text="what the customer reads", max_length=120)),
                ("code", models.CharField(blank=True, help_text="of the rule it comes from", max_length=160)),
                (
                    "rate",
                    models.DecimalField(
                        decimal_places=3,
                        help_text="the rule's percentage, where it has one",
                        max_digits=6,
                        null=True,
                    ),
                ),
                ("amount_minor", models.BigIntegerField(help_text="what is taken off is negative")),
                ("included", models.BooleanField(help_text="the prices contain it: it is told and not added")),
                (
                    "shares",
                    django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None),
                ),
                (
                    "order",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="adjustments",
                        to="orders.order",
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(fields=("order", "position"), name="orders_adjustment_position"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind", "tax"),
                            models.Q(("amount_minor__lte", 0), ("included", False), ("kind", "discount")),
                            models.Q(
                                ("amount_minor__gte", 0), ("included", False), ("kind__in", ("shipping", "fee"))
                            ),
                            _connector="OR",
                        ),
                        name="orders_adjustment_kind",
                    ),
                ],
            },
        ),
        migrations.RunSQL(REFUSE_CHANGES, ALLOW_CHANGES),
    ]
