import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    """Which guests' orders an account takes along."""

    dependencies = [("shop", "0007_guests")]

    operations = [
        migrations.CreateModel(
            name="GuestTaking",
            fields=[
                ("due_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("last_error", models.TextField(blank=True, default="", editable=False)),
                ("guest_id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("customer_id", models.UUIDField(editable=False)),
                ("asked_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={"abstract": False},
        ),
        migrations.AddIndex(
            model_name="guesttaking",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="shop_guesttaking_due"
            ),
        ),
    ]
