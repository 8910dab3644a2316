from django.db import migrations, models


class Migration(migrations.Migration):
    """Whether the money of a held parcel went back in full; an earlier release writes holds without it.

    What an earlier release left booked though a dispute holds it is due to be taken back.
    """

    dependencies = [
        ('shipping', '0007_holds'),
    ]

    operations = [
        migrations.AddField(
            model_name='hold',
            name='money_is_back',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.RunSQL(
            "UPDATE shipping_shipment SET due_at = now() WHERE status = 'BOOKED' AND EXISTS ("
            "SELECT 1 FROM shipping_hold AS hold WHERE hold.order_id = shipping_shipment.order_id"
            " AND hold.released_at IS NULL)",
            migrations.RunSQL.noop,
        ),
    ]
