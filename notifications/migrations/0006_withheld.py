from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """An email may be withheld: its mailbox has had as many about unpaid orders as it gets. Built beside running orders."""

    atomic = False
    dependencies = [
        ('notifications', '0005_facts_that_last'),
    ]

    operations = [
        migrations.AlterField(
            model_name='email',
            name='status',
            field=models.CharField(choices=[('PENDING', 'Pending'), ('SENT', 'Sent'), ('FAILED', 'Failed'), ('WITHHELD', 'Withheld')], default='PENDING', max_length=10),
        ),
        migrations.AddField(
            model_name='email',
            name='recipient_key',
            field=models.BigIntegerField(editable=False, null=True),
        ),
        AddIndexConcurrently(
            model_name='email',
            index=models.Index(condition=models.Q(('recipient_key__isnull', False)), fields=['recipient_key', 'queued_at'], name='notifications_email_recipient'),
        ),
        AddIndexConcurrently(
            model_name='email',
            index=models.Index(condition=models.Q(('status', 'WITHHELD')), fields=['status'], name='notifications_email_withheld'),
        ),
    ]
