from django.db import migrations, models


class Migration(migrations.Migration):
    """An order says whether a guest placed it; those of the release before are accounts'."""

    dependencies = [("orders", "0016_nothing_to_pay")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="link_epoch",
            field=models.SmallIntegerField(
                editable=False,
                help_text="a guest's order: links of another epoch open it no more; null: an account's, which no link opens",
                null=True,
            ),
        ),
        migrations.AlterModelOptions(
            name="order",
            options={
                "permissions": [
                    ("cancel_order", "Can cancel orders"),
                    ("refund_order", "Can refund orders"),
                    ("revoke_links", "Can revoke the links of orders"),
                ]
            },
        ),
    ]
