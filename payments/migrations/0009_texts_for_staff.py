# What staff read beside the fields: changes the state of the models and runs no SQL.

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0008_another_card'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='history',
            options={'verbose_name': 'past fact', 'verbose_name_plural': 'history'},
        ),
        migrations.AlterField(
            model_name='dispute',
            name='answers',
            field=models.PositiveIntegerField(default=0, help_text='How many answers from the provider were recorded.'),
        ),
        migrations.AlterField(
            model_name='dispute',
            name='fee_minor',
            field=models.BigIntegerField(default=0, help_text='What the provider charges for the dispute.'),
        ),
        migrations.AlterField(
            model_name='dispute',
            name='withdrawn_minor',
            field=models.BigIntegerField(default=0, help_text='Taken from our account at the provider and not returned.'),
        ),
        migrations.AlterField(
            model_name='history',
            name='actor',
            field=models.CharField(blank=True, help_text='Who did it.', max_length=160),
        ),
        migrations.AlterField(
            model_name='history',
            name='request_id',
            field=models.UUIDField(editable=False, help_text='The request in which it was done.', null=True),
        ),
        migrations.AlterField(
            model_name='outbox',
            name='actor',
            field=models.CharField(blank=True, db_default='', default='', help_text='Who did it.', max_length=160),
        ),
        migrations.AlterField(
            model_name='outbox',
            name='request_id',
            field=models.UUIDField(editable=False, help_text='The request in which it was done.', null=True),
        ),
        migrations.AlterField(
            model_name='payment',
            name='attempt',
            field=models.PositiveSmallIntegerField(db_default=1, default=1, help_text='Part of every idempotency key that the provider gets.'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='attempt_began_at',
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='No idempotency key of this attempt was used before this time.'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='covered_minor',
            field=models.BigIntegerField(db_default=0, default=0, help_text='Would be owed if disputes had not taken it. Owed again if that money comes back.'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='dispute_status',
            field=models.CharField(blank=True, db_default='', default='', help_text='The status of its dispute. Of several, the one that blocks the most.', max_length=24),
        ),
        migrations.AlterField(
            model_name='payment',
            name='lost_minor',
            field=models.BigIntegerField(db_default=0, default=0, help_text='Taken for good by disputes.'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='may_try_another',
            field=models.BooleanField(db_default=False, default=False, help_text='Whether another payment method can be tried on the same intent after a decline.', verbose_name='another method may be tried'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='owed_minor',
            field=models.BigIntegerField(db_default=0, default=0, help_text='Owed to the customer: refunds that did not arrive.'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='payment_method',
            field=models.CharField(blank=True, db_default='', default='', help_text="The provider's token, never a card number.", max_length=255),
        ),
        migrations.AlterField(
            model_name='payment',
            name='refused',
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, editable=False, help_text='The payment methods that were tried before, in order, each with its decline code.', verbose_name='methods tried before'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='settled_minor',
            field=models.BigIntegerField(db_default=0, default=0, help_text='Paid back by staff in another way than by a refund.'),
        ),
        migrations.AlterField(
            model_name='strayintent',
            name='reason',
            field=models.CharField(choices=[('LATE_CAPTURE', 'money was taken after we had closed the payment'), ('SECOND_INTENT', "the order's payment uses another intent"), ('UNKNOWN_ORDER', 'there is no such payment here')], max_length=20),
        ),
        migrations.AlterField(
            model_name='watermark',
            name='kept',
            field=models.CharField(choices=[('BEGAN', 'start of the history'), ('HISTORY', 'facts in the history'), ('INBOX', 'facts heard')], max_length=16, primary_key=True, serialize=False),
        ),
    ]
