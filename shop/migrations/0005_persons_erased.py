import django.db.models.functions.datetime
import django.db.models.functions.text
import shop.ids
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Who is to be erased, or was; kept answers are found by the row that their address names."""

    atomic = False
    dependencies = [
        ('shop', '0004_hearing'),
    ]

    operations = [
        migrations.CreateModel(
            name='Erasure',
            fields=[
                ('due_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('last_error', models.TextField(blank=True, default='', editable=False)),
                ('id', models.UUIDField(default=shop.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('user_id', models.UUIDField(db_index=True, editable=False, null=True)),
                ('addresses', models.JSONField(default=list, editable=False)),
                ('account_emails', models.JSONField(default=list, editable=False)),
                ('asked_by', models.CharField(editable=False, help_text='The id of a member of staff, or who ran the command.', max_length=150)),
                ('asked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('waiting_for', models.JSONField(default=list, editable=False)),
                ('sessions_read_to', models.CharField(blank=True, default='', editable=False, max_length=8)),
                ('sessions_began_at', models.DateTimeField(editable=False, null=True)),
                ('sessions_clean_since', models.DateTimeField(editable=False, null=True)),
                ('finished_at', models.DateTimeField(editable=False, null=True)),
            ],
            options={
                'permissions': [('erase_person', 'Can erase a person')],
                'abstract': False,
            },
        ),
        AddIndexConcurrently(
            model_name='idempotencykey',
            index=models.Index(models.Func(django.db.models.functions.text.Upper('path'), models.Value('[0-9A-F]{8}-[0-9A-F-]{27}'), function='SUBSTRING', output_field=models.CharField(max_length=36)), condition=models.Q(('path__regex', '[0-9A-Fa-f]{8}-')), name='shop_idempotency_about'),
        ),
        migrations.AddIndex(
            model_name='erasure',
            index=models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='shop_erasure_due'),
        ),
        migrations.AddIndex(
            model_name='erasure',
            index=models.Index(condition=models.Q(('finished_at', None)), fields=['asked_at'], name='shop_erasure_open'),
        ),
        migrations.AddConstraint(
            model_name='erasure',
            constraint=models.CheckConstraint(condition=models.Q(('finished_at', None), models.Q(('account_emails', []), ('addresses', []), ('due_at', None), ('waiting_for', [])), _connector='OR'), name='shop_erasure_finished_forgets'),
        ),
    ]
