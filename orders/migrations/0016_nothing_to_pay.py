from django.db import migrations, models


class Migration(migrations.Migration):
    """An order may cost nothing. The release before does not write such an order; one that it reads waits in vain for a payment method."""

    dependencies = [("orders", "0015_contact_details")]

    operations = [
        migrations.RemoveConstraint(model_name="order", name="orders_total_positive"),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(condition=models.Q(total_minor__gte=0), name="orders_total_not_negative"),
        ),
        migrations.AlterField(
            model_name="order",
            name="pays_at_once",
            field=models.BooleanField(
                help_text="a payment method came with the order, or it costs nothing: reserve for payment directly"
            ),
        ),
    ]
