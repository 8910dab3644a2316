from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Built beside running orders: an index made in a transaction would hold up everybody who orders meanwhile."""

    atomic = False
    dependencies = [("orders", "0001_initial")]

    operations = [
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                fields=["customer_id"],
                name="orders_unpaid_of_customer",
                condition=models.Q(("status__in", ("PENDING", "AWAITING_PAYMENT", "CONFIRMING"))),
            ),
        ),
    ]
