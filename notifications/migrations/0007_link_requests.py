import django.db.models.functions.datetime
from django.db import migrations, models

import shop.ids


class Migration(migrations.Migration):
    """Who asks for the link of an order by its number and address."""

    dependencies = [("notifications", "0006_withheld")]

    operations = [
        migrations.CreateModel(
            name="LinkRequest",
            fields=[
                ("due_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("last_error", models.TextField(blank=True, default="", editable=False)),
                ("id", models.UUIDField(default=shop.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("number", models.CharField(editable=False, max_length=20)),
                ("recipient_key", models.BigIntegerField(editable=False)),
                ("order_id", models.UUIDField(editable=False, null=True)),
                ("asked_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("told_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={"abstract": False},
        ),
        migrations.AddIndex(
            model_name="linkrequest",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="notifications_linkrequest_due"
            ),
        ),
        migrations.AddIndex(
            model_name="linkrequest",
            index=models.Index(
                condition=models.Q(("order_id__isnull", False)), fields=["order_id"], name="notifications_link_of_order"
            ),
        ),
    ]
