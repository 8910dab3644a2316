import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What waits is found by an index of its own, built beside running orders; indexes that others make needless go."""

    atomic = False
    dependencies = [
        ('orders', '0002_unpaid_orders_of_a_customer'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(fields=['customer_id', '-id'], name='orders_newest_of_customer'),
        ),
        AddIndexConcurrently(
            model_name='outbox',
            index=models.Index(condition=models.Q(('published_at', None), ('quarantined_at__isnull', False)), fields=['id'], name='orders_outbox_refused'),
        ),
        AddIndexConcurrently(
            model_name='saga',
            index=models.Index(condition=models.Q(('finished_at', None), ('parked_at__isnull', False)), fields=['parked_at'], name='orders_saga_parked'),
        ),
        RemoveIndexConcurrently(
            model_name='order',
            name='orders_of_customer',
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='order',
                    name='customer_id',
                    field=models.UUIDField(),
                ),
            ],
            database_operations=[
                migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS orders_order_customer_id_0b76f6a4', migrations.RunSQL.noop)
            ],
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='orderline',
                    name='order',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='orders.order'),
                ),
            ],
            database_operations=[
                migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS orders_orderline_order_id_17f8f3ef', migrations.RunSQL.noop)
            ],
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='saga',
                    name='order',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='sagas', to='orders.order'),
                ),
            ],
            database_operations=[
                migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS orders_saga_order_id_95d80d84', migrations.RunSQL.noop)
            ],
        ),
        migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS orders_order_number_abc9e0f2_like', migrations.RunSQL.noop),
    ]
