from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What waits is found by an index of its own, built beside running orders."""

    atomic = False
    dependencies = [
        ('notifications', '0001_initial'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='email',
            index=models.Index(condition=models.Q(('status__in', ['PENDING', 'FAILED'])), fields=['status'], name='notifications_email_open'),
        ),
        AddIndexConcurrently(
            model_name='outbox',
            index=models.Index(condition=models.Q(('published_at', None), ('quarantined_at__isnull', False)), fields=['id'], name='notifications_outbox_refused'),
        ),
    ]
