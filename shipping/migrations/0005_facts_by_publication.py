from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Facts are found in the order of their publication, by an index that is built beside running orders."""

    atomic = False
    dependencies = [("shipping", "0004_searched_by_index")]

    operations = [
        AddIndexConcurrently(
            model_name="outbox",
            index=models.Index(
                condition=models.Q(("published_at__isnull", False)),
                fields=["published_at", "id"],
                name="shipping_outbox_published",
            ),
        ),
    ]
