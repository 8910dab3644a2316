# What staff read beside the fields: changes the state of the models and runs no SQL.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('inventory', '0008_holds_extended'),
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
            model_name='product',
            name='active_from',
            field=models.DateTimeField(blank=True, help_text='On sale from this time on. Empty: at once.', null=True),
        ),
        migrations.AlterField(
            model_name='product',
            name='active_to',
            field=models.DateTimeField(blank=True, help_text='On sale until this time. Empty: for good.', null=True),
        ),
        migrations.AlterField(
            model_name='product',
            name='group',
            field=models.CharField(blank=True, db_column='variant_group', db_default='', default='', help_text='Products of one group are the same thing in several sizes or colors.', max_length=64),
        ),
        migrations.AlterField(
            model_name='product',
            name='images',
            field=models.JSONField(db_default=[], default=list, help_text='Pictures, in the order in which they are shown: [{url, alt}].'),
        ),
        migrations.AlterField(
            model_name='product',
            name='options',
            field=models.JSONField(db_default={}, default=dict, help_text='How it differs from the others of its group: {"size": "M"}.'),
        ),
        migrations.AlterField(
            model_name='product',
            name='price_minor',
            field=models.BigIntegerField(help_text='The price of one unit, in minor units such as cents.'),
        ),
        migrations.AlterField(
            model_name='product',
            name='tax_class',
            field=models.CharField(blank=True, db_default='', default='', help_text='Which tax rates apply.', max_length=40),
        ),
        migrations.AlterField(
            model_name='product',
            name='weight_grams',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='The weight of one unit with its packaging.'),
        ),
        migrations.AlterField(
            model_name='reservation',
            name='extended_at',
            field=models.DateTimeField(editable=False, help_text='When the hold was extended. A hold can be extended once.', null=True),
        ),
        migrations.AlterField(
            model_name='reservation',
            name='short_available',
            field=models.BigIntegerField(editable=False, null=True, verbose_name='units available'),
        ),
        migrations.AlterField(
            model_name='reservation',
            name='short_sku',
            field=models.CharField(blank=True, editable=False, max_length=64, verbose_name='SKU that was short'),
        ),
        migrations.AlterField(
            model_name='reservation',
            name='short_wanted',
            field=models.BigIntegerField(editable=False, null=True, verbose_name='units wanted'),
        ),
        migrations.AlterField(
            model_name='watermark',
            name='kept',
            field=models.CharField(choices=[('BEGAN', 'start of the history'), ('HISTORY', 'facts in the history'), ('INBOX', 'facts heard')], max_length=16, primary_key=True, serialize=False),
        ),
    ]
