from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What waits is found by an index of its own, built beside running orders."""

    atomic = False
    dependencies = [
        ('shipping', '0002_surplus_bookings'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='outbox',
            index=models.Index(condition=models.Q(('published_at', None), ('quarantined_at__isnull', False)), fields=['id'], name='shipping_outbox_refused'),
        ),
        AddIndexConcurrently(
            model_name='shipment',
            index=models.Index(condition=models.Q(('status__in', ['PENDING', 'BOOKED', 'DISPATCHED'])), fields=['status'], name='shipping_shipment_open'),
        ),
    ]
