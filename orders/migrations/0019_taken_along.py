from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """An order says which guest placed it, where an account has taken it along."""

    atomic = False
    dependencies = [("orders", "0018_adjustments")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="guest_id",
            field=models.UUIDField(
                editable=False, help_text="the guest who placed it, where an account has taken it along", null=True
            ),
        ),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                condition=models.Q(("guest_id__isnull", False)), fields=["guest_id"], name="orders_taken_along"
            ),
        ),
    ]
