from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What waits is found by an index of its own, built beside running orders; indexes that others make needless go."""

    atomic = False
    dependencies = [
        ('payments', '0001_initial'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='outbox',
            index=models.Index(condition=models.Q(('published_at', None), ('quarantined_at__isnull', False)), fields=['id'], name='payments_outbox_refused'),
        ),
        AddIndexConcurrently(
            model_name='payment',
            index=models.Index(condition=models.Q(('status__in', ['SUBMITTED', 'UNKNOWN'])), fields=['changed_at'], name='payments_payment_unanswered'),
        ),
        AddIndexConcurrently(
            model_name='refund',
            index=models.Index(fields=['-created_at'], name='payments_refund_created'),
        ),
        AddIndexConcurrently(
            model_name='refund',
            index=models.Index(condition=models.Q(('status__in', ['REQUESTED', 'PENDING', 'FAILED'])), fields=['status'], name='payments_refund_open'),
        ),
        RemoveIndexConcurrently(
            model_name='payment',
            name='payments_payment_created',
        ),
        migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS payments_payment_intent_id_b25f7b89_like', migrations.RunSQL.noop),
        migrations.RunSQL('DROP INDEX CONCURRENTLY IF EXISTS payments_webhookevent_event_id_802a2532_like', migrations.RunSQL.noop),
    ]
