import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What waits is found by an index of its own, built beside running orders; indexes that others make needless go."""

    atomic = False
    dependencies = [
        ('inventory', '0001_initial'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='outbox',
            index=models.Index(condition=models.Q(('published_at', None), ('quarantined_at__isnull', False)), fields=['id'], name='inventory_outbox_refused'),
        ),
        RemoveIndexConcurrently(
            model_name='reservation',
            name='inventory_reservation_created',
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='reservationline',
                    name='reservation',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='inventory.reservation'),
                ),
            ],
            database_operations=[
                migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS inventory_reservationline_reservation_id_3333fa7b', migrations.RunSQL.noop)
            ],
        ),
    ]
