from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Built beside running orders: an index made in a transaction would hold up everybody who orders meanwhile."""

    atomic = False
    dependencies = [("orders", "0009_held_without_a_payment")]

    operations = [
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                fields=[key],
                name=f"orders_held_by_{key}",
                condition=models.Q((f"{key}__isnull", False), ("status__in", ("PENDING", "AWAITING_PAYMENT"))),
            ),
        )
        for key in ("email_key", "address_key")
    ]
