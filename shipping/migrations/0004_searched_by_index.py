from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Staff find parcels by what the carrier calls them."""

    atomic = False

    dependencies = [
        ('shipping', '0003_costs_that_do_not_grow'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='shipment',
            index=models.Index(condition=models.Q(('tracking_number', ''), _negated=True), fields=['tracking_number'], name='shipping_shipment_tracking'),
        ),
        AddIndexConcurrently(
            model_name='shipment',
            index=models.Index(condition=models.Q(('carrier_reference', ''), _negated=True), fields=['carrier_reference'], name='shipping_shipment_reference'),
        ),
    ]
