from django.db import migrations, models

from shop.events.history_schema import keep_history


class Migration(migrations.Migration):
    """Facts outlast the outbox, with who did it: what is deleted there goes to a history that is only appended to."""

    dependencies = [
        ('notifications', '0004_facts_by_publication'),
    ]

    operations = [
        migrations.CreateModel(
            name='Watermark',
            fields=[
                ('kept', models.CharField(choices=[('BEGAN', 'the history began'), ('HISTORY', 'facts of the history'), ('INBOX', 'what was heard')], max_length=16, primary_key=True, serialize=False)),
                ('since', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'watermark',
                'abstract': False,
            },
        ),
        migrations.AddField(
            model_name='outbox',
            name='actor',
            field=models.CharField(blank=True, db_default='', default='', help_text='who did it', max_length=160),
        ),
        migrations.AddField(
            model_name='outbox',
            name='request_id',
            field=models.UUIDField(editable=False, help_text='the request it was done in', null=True),
        ),
        migrations.CreateModel(
            name='History',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('event_id', models.UUIDField(editable=False)),
                ('type', models.CharField(max_length=80)),
                ('schema_version', models.PositiveSmallIntegerField()),
                ('aggregate_id', models.UUIDField()),
                ('aggregate_version', models.PositiveIntegerField()),
                ('payload', models.JSONField()),
                ('traceparent', models.CharField(blank=True, max_length=55)),
                ('actor', models.CharField(blank=True, help_text='who did it', max_length=160)),
                ('request_id', models.UUIDField(editable=False, help_text='the request it was done in', null=True)),
                ('occurred_at', models.DateTimeField()),
                ('published_at', models.DateTimeField(editable=False, null=True)),
            ],
            options={
                'verbose_name': 'fact of the past',
                'verbose_name_plural': 'history',
                'abstract': False,
                'indexes': [models.Index(fields=['aggregate_id', 'id'], name='notifications_past_aggregate'), models.Index(condition=models.Q(('published_at__isnull', True)), fields=['id'], name='notifications_past_untold')],
            },
        ),
        keep_history('notifications'),
    ]
