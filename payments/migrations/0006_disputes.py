import django.db.models.deletion
import django.db.models.functions.datetime
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """A table of disputes, and on the payment what they stop and took; an earlier release writes neither."""

    atomic = False
    dependencies = [
        ('payments', '0005_facts_that_last'),
    ]

    operations = [
        migrations.CreateModel(
            name='Dispute',
            fields=[
                ('due_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('last_error', models.TextField(blank=True, default='', editable=False)),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('dispute_id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('provider_dispute_id', models.CharField(max_length=255, unique=True)),
                ('payment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='disputes', to='payments.payment')),
                ('status', models.CharField(choices=[('WARNING_NEEDS_RESPONSE', 'inquiry: to be answered'), ('WARNING_UNDER_REVIEW', 'inquiry: answered, under review'), ('WARNING_CLOSED', 'inquiry closed'), ('NEEDS_RESPONSE', 'chargeback: to be answered'), ('UNDER_REVIEW', 'chargeback: answered, under review'), ('APPEAL_NEEDS_RESPONSE', 'appeal: to be answered'), ('APPEAL_UNDER_REVIEW', 'appeal: answered, under review'), ('WON', 'won'), ('LOST', 'lost'), ('PREVENTED', 'prevented')], editable=False, max_length=24)),
                ('reason', models.CharField(blank=True, default='', max_length=80)),
                ('amount_minor', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3)),
                ('withdrawn_minor', models.BigIntegerField(default=0, help_text='Taken from the account and not given back.')),
                ('fee_minor', models.BigIntegerField(default=0, help_text="The provider's fees for it.")),
                ('account_currency', models.CharField(default='XXX', max_length=3)),
                ('evidence_due_at', models.DateTimeField(blank=True, null=True)),
                ('opened_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('answers', models.PositiveIntegerField(default=0, help_text='How many answers of the provider were recorded.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('changed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.AddField(
            model_name='payment',
            name='dispute_status',
            field=models.CharField(blank=True, db_default='', default='', help_text='Of its disputes, the one that stops most.', max_length=24),
        ),
        migrations.AddField(
            model_name='payment',
            name='lost_minor',
            field=models.BigIntegerField(db_default=0, default=0, help_text='Taken back by disputes for good.'),
        ),
        migrations.AddIndex(
            model_name='dispute',
            index=models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='payments_dispute_due'),
        ),
        migrations.AddIndex(
            model_name='dispute',
            index=models.Index(fields=['-opened_at'], name='payments_dispute_opened'),
        ),
        migrations.AddIndex(
            model_name='dispute',
            index=models.Index(condition=models.Q(('status__in', ['APPEAL_NEEDS_RESPONSE', 'NEEDS_RESPONSE', 'WARNING_NEEDS_RESPONSE'])), fields=['evidence_due_at'], name='payments_dispute_unanswered'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['WARNING_NEEDS_RESPONSE', 'WARNING_UNDER_REVIEW', 'WARNING_CLOSED', 'NEEDS_RESPONSE', 'UNDER_REVIEW', 'APPEAL_NEEDS_RESPONSE', 'APPEAL_UNDER_REVIEW', 'WON', 'LOST', 'PREVENTED'])), name='payments_dispute_status_known'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__gte', 0)), name='payments_dispute_not_negative'),
        ),
        AddIndexConcurrently(
            model_name='payment',
            index=models.Index(condition=models.Q(('dispute_status', ''), _negated=True), fields=['dispute_status'], name='payments_payment_disputed'),
        ),
    ]
