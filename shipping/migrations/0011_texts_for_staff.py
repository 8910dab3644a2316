# What staff read beside the fields: changes the state of the models and runs no SQL.

import django.contrib.postgres.fields
import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('shipping', '0010_rates'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='history',
            options={'verbose_name': 'past fact', 'verbose_name_plural': 'history'},
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
            model_name='hold',
            name='for_staff',
            field=models.BooleanField(default=False, verbose_name='waits for staff'),
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
            model_name='shipment',
            name='label_url',
            field=models.URLField(blank=True, default='', max_length=500, verbose_name='label URL'),
        ),
        migrations.AlterField(
            model_name='shippingoption',
            name='code',
            field=models.CharField(help_text='Its name in the API, in small letters, such as standard. Do not change it while customers are ordering.', max_length=40, unique=True, validators=[django.core.validators.RegexValidator('^[a-z0-9][a-z0-9_-]{0,39}$')]),
        ),
        migrations.AlterField(
            model_name='shippingoption',
            name='days_max',
            field=models.PositiveSmallIntegerField(help_text='Parcels take at most this many days.', verbose_name='days at most'),
        ),
        migrations.AlterField(
            model_name='shippingoption',
            name='days_min',
            field=models.PositiveSmallIntegerField(help_text='Parcels take at least this many days.', verbose_name='days at least'),
        ),
        migrations.AlterField(
            model_name='shippingoption',
            name='position',
            field=models.PositiveSmallIntegerField(default=0, help_text='Options are sorted by this number, lowest first.'),
        ),
        migrations.AlterField(
            model_name='shippingrate',
            name='countries',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=2), blank=True, default=list, help_text='ISO 3166 codes, separated by commas: DE,AT. Empty: all countries. Where another rate names the country, that one applies.', size=None),
        ),
        migrations.AlterField(
            model_name='shippingrate',
            name='currency',
            field=models.CharField(help_text='ISO 4217 code. Only for orders in this currency.', max_length=3),
        ),
        migrations.AlterField(
            model_name='shippingrate',
            name='max_weight_grams',
            field=models.PositiveIntegerField(blank=True, help_text='Only for parcels of at most this weight. Empty: any weight.', null=True),
        ),
        migrations.AlterField(
            model_name='shippingrate',
            name='min_weight_grams',
            field=models.PositiveIntegerField(default=0, help_text='Only for parcels of at least this weight.'),
        ),
        migrations.AlterField(
            model_name='watermark',
            name='kept',
            field=models.CharField(choices=[('BEGAN', 'start of the history'), ('HISTORY', 'facts in the history'), ('INBOX', 'facts heard')], max_length=16, primary_key=True, serialize=False),
        ),
    ]
