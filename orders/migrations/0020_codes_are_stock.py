import django.db.models.deletion
from django.db import migrations, models

# In the transaction that moves the order, whatever statement does: see ADR 42. The codes are locked in the order of their
# ids, as hold_codes.sql locks them.
MOVE_USES = """
CREATE FUNCTION orders.move_uses_of_codes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    becomes text := CASE NEW.status WHEN 'CONFIRMED' THEN 'USED' ELSE 'RETURNED' END;
BEGIN
    PERFORM FROM orders.orders_discountcode
    WHERE id IN (SELECT code_id FROM orders.orders_codeuse WHERE order_id = NEW.id)
    ORDER BY id FOR NO KEY UPDATE;
    WITH before AS MATERIALIZED (
        SELECT code_id, status FROM orders.orders_codeuse WHERE order_id = NEW.id
    ), moved AS (
        UPDATE orders.orders_codeuse SET status = becomes WHERE order_id = NEW.id
    )
    UPDATE orders.orders_discountcode AS code SET
        held = code.held - CASE before.status WHEN 'HELD' THEN 1 ELSE 0 END,
        used = code.used - CASE before.status WHEN 'USED' THEN 1 ELSE 0 END + CASE becomes WHEN 'USED' THEN 1 ELSE 0 END
    FROM before WHERE code.id = before.code_id;
    RETURN NULL;
END $$;
CREATE TRIGGER move_uses_of_codes AFTER UPDATE OF status ON orders.orders_order
    FOR EACH ROW
    WHEN (NEW.has_codes AND OLD.status <> NEW.status AND NEW.status IN ('CONFIRMED', 'CANCELED', 'REFUNDED'))
    EXECUTE FUNCTION orders.move_uses_of_codes();
"""
LEAVE_USES = """
DROP TRIGGER move_uses_of_codes ON orders.orders_order;
DROP FUNCTION orders.move_uses_of_codes();
"""


class Migration(migrations.Migration):
    """Adds the uses of discount codes, and the trigger that moves them with their order. Orders so far used none."""

    dependencies = [("orders", "0019_taken_along")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="has_codes",
            field=models.BooleanField(
                db_default=False, editable=False, help_text="it uses discount codes, whose uses move with its status"
            ),
        ),
        migrations.CreateModel(
            name="CodeUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("customer_id", models.UUIDField()),
                ("mailbox_key", models.BigIntegerField(editable=False, null=True)),
                ("once", models.BooleanField(help_text="the code was for one order of a customer only")),
                (
                    "status",
                    models.CharField(
                        choices=[("HELD", "Held"), ("USED", "Used"), ("RETURNED", "Returned")], max_length=10
                    ),
                ),
                (
                    "code",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="uses",
                        to="orders.discountcode",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="code_uses",
                        to="orders.order",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "indexes": [models.Index(fields=["code", "status"], name="orders_codeuse_of_code")],
                "constraints": [
                    models.UniqueConstraint(fields=("order", "code"), name="orders_codeuse_once_in_an_order"),
                    models.UniqueConstraint(
                        condition=models.Q(("once", True), ("status__in", ("HELD", "USED"))),
                        fields=("code", "customer_id"),
                        name="orders_codeuse_of_customer",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("mailbox_key__isnull", False), ("once", True), ("status__in", ("HELD", "USED"))
                        ),
                        fields=("code", "mailbox_key"),
                        name="orders_codeuse_of_mailbox",
                    ),
                ],
            },
        ),
        migrations.RunSQL(MOVE_USES, LEAVE_USES),
    ]
