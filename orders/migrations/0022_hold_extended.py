from django.db import migrations, models


class Migration(migrations.Migration):
    """An order says which request has extended its time to pay."""

    dependencies = [
        ("orders", "0021_taken_along_limits_nobody"),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="hold_extension",
            field=models.UUIDField(
                editable=False, help_text="the request that extended the time to pay, which one may", null=True
            ),
        ),
    ]
