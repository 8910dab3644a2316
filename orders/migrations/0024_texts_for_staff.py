# What staff read beside the fields: changes the state of the models and runs no SQL.

import django.contrib.postgres.fields
import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0023_codes_held_unpaid'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='history',
            options={'verbose_name': 'past fact', 'verbose_name_plural': 'history'},
        ),
        migrations.AlterField(
            model_name='adjustment',
            name='amount_minor',
            field=models.BigIntegerField(help_text='In minor units. Negative if it is taken off.'),
        ),
        migrations.AlterField(
            model_name='adjustment',
            name='code',
            field=models.CharField(blank=True, help_text='The code of the rule that it comes from.', max_length=160),
        ),
        migrations.AlterField(
            model_name='adjustment',
            name='included',
            field=models.BooleanField(help_text='The prices already contain it: it is shown and not added.'),
        ),
        migrations.AlterField(
            model_name='adjustment',
            name='label',
            field=models.CharField(help_text='What the customer reads.', max_length=120),
        ),
        migrations.AlterField(
            model_name='adjustment',
            name='rate',
            field=models.DecimalField(decimal_places=3, help_text="The rule's percentage, if it has one.", max_digits=6, null=True),
        ),
        migrations.AlterField(
            model_name='codeuse',
            name='once',
            field=models.BooleanField(help_text='The code was for one order of each customer.'),
        ),
        migrations.AlterField(
            model_name='contactdetails',
            name='billing_country',
            field=models.CharField(blank=True, help_text='Empty if no billing address was given.', max_length=2),
        ),
        migrations.AlterField(
            model_name='contactdetails',
            name='locale',
            field=models.CharField(blank=True, help_text='How amounts and dates are written: BCP 47 tag, such as pt-PT.', max_length=20),
        ),
        migrations.AlterField(
            model_name='contactdetails',
            name='note',
            field=models.CharField(blank=True, help_text='From the customer to the shop. May have several lines.', max_length=500),
        ),
        migrations.AlterField(
            model_name='contactdetails',
            name='phone',
            field=models.CharField(blank=True, help_text='Digits, usually after a + and the country code.', max_length=20),
        ),
        migrations.AlterField(
            model_name='contactdetails',
            name='vat_number',
            field=models.CharField(blank=True, help_text="Starts with the country's letters and has no separators.", max_length=20),
        ),
        migrations.AlterField(
            model_name='discountcode',
            name='categories',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), blank=True, default=list, help_text='Products in these categories get cheaper, too: names, separated by commas. All products do if there are neither SKUs nor categories.', size=None),
        ),
        migrations.AlterField(
            model_name='discountcode',
            name='code',
            field=models.CharField(help_text='What customers type. Write it in capitals here; customers may also use small letters.', max_length=40, unique=True, validators=[django.core.validators.RegexValidator('^[A-Z0-9][A-Z0-9_-]{0,39}$')]),
        ),
        migrations.AlterField(
            model_name='discountcode',
            name='currency',
            field=models.CharField(blank=True, help_text='ISO 4217 code of the amount and of the minimum. Empty if there is neither.', max_length=3),
        ),
        migrations.AlterField(
            model_name='discountcode',
            name='ends_at',
            field=models.DateTimeField(blank=True, help_text='Customers can use it until this time. Empty: for good.', null=True),
        ),
        migrations.AlterField(
            model_name='discountcode',
            name='max_uses',
            field=models.PositiveIntegerField(blank=True, help_text='How many orders can use it. Empty: any number.', null=True, verbose_name='maximum uses'),
        ),
        migrations.AlterField(
            model_name='discountcode',
            name='once_per_customer',
            field=models.BooleanField(default=False, help_text='Each customer can use it for one order only. Canceled and refunded orders do not count.'),
        ),
        migrations.AlterField(
            model_name='discountcode',
            name='percent',
            field=models.DecimalField(blank=True, decimal_places=3, help_text='10 means 10 % off. Empty if an amount is taken off.', max_digits=6, null=True),
        ),
        migrations.AlterField(
            model_name='discountcode',
            name='skus',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), blank=True, default=list, help_text='Only these products get cheaper: SKUs, separated by commas.', size=None, verbose_name='SKUs'),
        ),
        migrations.AlterField(
            model_name='discountcode',
            name='starts_at',
            field=models.DateTimeField(blank=True, help_text='Customers can use it from this time on. Empty: at once.', null=True),
        ),
        migrations.AlterField(
            model_name='fee',
            name='country',
            field=models.CharField(blank=True, help_text='Only orders to this country pay the fee: ISO 3166 code. Empty: orders to all countries do.', max_length=2),
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
            model_name='order',
            name='email_verified',
            field=models.BooleanField(db_default=False, editable=False, help_text='The customer had verified the mailbox when the limits on unpaid orders were checked.'),
        ),
        migrations.AlterField(
            model_name='order',
            name='guest_id',
            field=models.UUIDField(editable=False, help_text='The guest who placed the order, if it has moved to an account since.', null=True),
        ),
        migrations.AlterField(
            model_name='order',
            name='has_codes',
            field=models.BooleanField(db_default=False, editable=False, help_text='The order uses discount codes. Their uses change with its status.'),
        ),
        migrations.AlterField(
            model_name='order',
            name='hold_extension',
            field=models.UUIDField(editable=False, help_text='The request that extended the time to pay. An order can be extended once.', null=True),
        ),
        migrations.AlterField(
            model_name='order',
            name='link_epoch',
            field=models.SmallIntegerField(editable=False, help_text="For guests' orders: a link in a mail opens the order only if it has this number. Empty for an account's order, which no link opens.", null=True),
        ),
        migrations.AlterField(
            model_name='order',
            name='payment_method',
            field=models.CharField(blank=True, help_text="The provider's token, never a card number.", max_length=255),
        ),
        migrations.AlterField(
            model_name='order',
            name='pays_at_once',
            field=models.BooleanField(help_text='The order came with a payment method, or it costs nothing: its stock is reserved for payment at once.'),
        ),
        migrations.AlterField(
            model_name='order',
            name='refusal',
            field=models.JSONField(blank=True, help_text='The facts of the refusal that canceled the order.', null=True),
        ),
        migrations.AlterField(
            model_name='order',
            name='unjudged',
            field=models.BooleanField(db_default=False, editable=False, help_text='The order came with a payment method. The limits on unpaid orders are checked only if its payment waits for the customer.'),
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
            model_name='saga',
            name='walked_since',
            field=models.DateTimeField(help_text='Since this time, walks have begun and none has finished.', null=True),
        ),
        migrations.AlterField(
            model_name='taxrate',
            name='country',
            field=models.CharField(help_text='The country that the parcel goes to: ISO 3166 code, such as DE.', max_length=2),
        ),
        migrations.AlterField(
            model_name='taxrate',
            name='included',
            field=models.BooleanField(default=True, help_text='The prices of products, shipping and fees already contain this tax. Otherwise it is added to them.'),
        ),
        migrations.AlterField(
            model_name='taxrate',
            name='region',
            field=models.CharField(blank=True, help_text='Only this region of the country, spelled as in addresses. Empty: the whole country.', max_length=100),
        ),
        migrations.AlterField(
            model_name='taxrate',
            name='reverse_charge',
            field=models.BooleanField(default=False, help_text='A business that gives its VAT number pays this tax to its tax office and not to the shop.'),
        ),
        migrations.AlterField(
            model_name='taxrate',
            name='tax_class',
            field=models.CharField(blank=True, help_text='Only products of this tax class, such as reduced. Empty: products without a tax class, which most are.', max_length=40),
        ),
        migrations.AlterField(
            model_name='watermark',
            name='kept',
            field=models.CharField(choices=[('BEGAN', 'start of the history'), ('HISTORY', 'facts in the history'), ('INBOX', 'facts heard')], max_length=16, primary_key=True, serialize=False),
        ),
    ]
