import django.contrib.postgres.fields
import django.core.validators
import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds the rules of prices: taxes, fees and discount codes. Without rows an order costs what its lines add up to, as before."""

    dependencies = [
        ('orders', '0013_room_to_wait'),
    ]

    operations = [
        migrations.CreateModel(
            name='DiscountCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(help_text='What customers type, in capitals. They may type it in small letters.', max_length=40, unique=True, validators=[django.core.validators.RegexValidator('^[A-Z0-9][A-Z0-9_-]{0,39}$')])),
                ('label', models.CharField(help_text='What customers read, such as Welcome: 10 % off.', max_length=80)),
                ('percent', models.DecimalField(blank=True, decimal_places=3, help_text='10 means 10 % off. Empty for an amount.', max_digits=6, null=True)),
                ('amount_minor', models.BigIntegerField(blank=True, null=True)),
                ('currency', models.CharField(blank=True, help_text='ISO 4217 code of the amount and of the minimum. Empty where there is neither.', max_length=3)),
                ('skus', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), blank=True, default=list, help_text='Only these products become cheaper: SKUs, separated by commas.', size=None, verbose_name='SKUs')),
                ('categories', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), blank=True, default=list, help_text='Products of these categories become cheaper, too: names, separated by commas. Without SKUs and categories all products do.', size=None)),
                ('minimum_minor', models.BigIntegerField(blank=True, null=True)),
                ('starts_at', models.DateTimeField(blank=True, help_text='Not before this moment.', null=True)),
                ('ends_at', models.DateTimeField(blank=True, help_text='Not from this moment on.', null=True)),
                ('once_per_customer', models.BooleanField(default=False, help_text='Each customer uses it for one order only. Orders that are canceled or refunded do not count.')),
                ('max_uses', models.PositiveIntegerField(blank=True, help_text='In how many orders it is used at most. Empty: in any number.', null=True)),
                ('held', models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ('used', models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ('active', models.BooleanField(default=True, help_text='Customers can use only active codes.')),
            ],
            options={
                'ordering': ['code'],
                'constraints': [models.CheckConstraint(condition=models.Q(('code__regex', '^[A-Z0-9][A-Z0-9_-]{0,39}$')), name='orders_code_spelling'), models.CheckConstraint(condition=models.Q(models.Q(('amount_minor', None), ('percent__gt', 0), ('percent__isnull', False), ('percent__lte', 100)), models.Q(('amount_minor__gt', 0), ('amount_minor__isnull', False), ('percent', None)), _connector='OR'), name='orders_code_percent_or_amount', violation_error_message='Enter either a percentage of more than 0 and at most 100, or an amount.'), models.CheckConstraint(condition=models.Q(('minimum_minor', None), ('minimum_minor__gt', 0), _connector='OR'), name='orders_code_minimum'), models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$'), models.Q(('amount_minor', None), ('currency', ''), ('minimum_minor', None)), _connector='OR'), name='orders_code_currency', violation_error_message='An amount or a minimum needs a currency.'), models.CheckConstraint(condition=models.Q(('starts_at', None), ('ends_at', None), ('ends_at__gt', models.F('starts_at')), _connector='OR'), name='orders_code_dates', violation_error_message='It must end after it starts.'), models.CheckConstraint(condition=models.Q(('held__gte', 0)), name='orders_code_held'), models.CheckConstraint(condition=models.Q(('used__gte', 0)), name='orders_code_used'), models.CheckConstraint(condition=models.Q(('max_uses', None), ('max_uses__gte', django.db.models.expressions.CombinedExpression(models.F('held'), '+', models.F('used'))), _connector='OR'), name='orders_code_within_its_uses', violation_error_message='More orders than that use it already.')],
            },
        ),
        migrations.CreateModel(
            name='Fee',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(help_text='Its name in exports, such as SMALL_ORDER.', max_length=40, validators=[django.core.validators.RegexValidator('^[A-Z0-9][A-Z0-9_-]{0,39}$')])),
                ('label', models.CharField(help_text='What customers read, such as Small order fee.', max_length=80)),
                ('country', models.CharField(blank=True, help_text='Only orders to this country: ISO 3166 code. Empty: orders to all countries.', max_length=2)),
                ('currency', models.CharField(help_text='ISO 4217 code. Only orders in this currency pay the fee.', max_length=3)),
                ('amount_minor', models.BigIntegerField()),
                ('below_minor', models.BigIntegerField(blank=True, null=True)),
                ('active', models.BooleanField(default=True, help_text='Only active fees are charged.')),
            ],
            options={
                'ordering': ['code', 'id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('country__regex', '^([A-Z]{2})?$')), name='orders_fee_country'), models.CheckConstraint(condition=models.Q(('code__regex', '^[A-Z0-9][A-Z0-9_-]{0,39}$')), name='orders_fee_code'), models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$')), name='orders_fee_currency'), models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0)), name='orders_fee_amount'), models.CheckConstraint(condition=models.Q(('below_minor', None), ('below_minor__gt', 0), _connector='OR'), name='orders_fee_below'), models.UniqueConstraint(condition=models.Q(('active', True)), fields=('code', 'country', 'currency'), name='orders_fee_once', violation_error_message='There is an active fee with this code for this country and currency.')],
            },
        ),
        migrations.CreateModel(
            name='TaxRate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('country', models.CharField(help_text='Where the parcel goes: ISO 3166 code, such as DE.', max_length=2)),
                ('region', models.CharField(blank=True, help_text='Only this region of the country, as addresses name it. Empty: all of it.', max_length=100)),
                ('tax_class', models.CharField(blank=True, help_text='Only products of this tax class, such as reduced. Empty: products without a class, which are the usual ones.', max_length=40)),
                ('label', models.CharField(help_text='What customers read, such as VAT 19 %.', max_length=80)),
                ('percent', models.DecimalField(decimal_places=3, help_text='19 means 19 %.', max_digits=6)),
                ('included', models.BooleanField(default=True, help_text='The prices of products, shipping and fees contain it. Otherwise it is added to them.')),
                ('reverse_charge', models.BooleanField(default=False, help_text='A business that gives its VAT number owes this tax itself and does not pay it to the shop.')),
                ('active', models.BooleanField(default=True, help_text='Only active rates are charged.')),
            ],
            options={
                'ordering': ['country', 'region', 'tax_class', 'id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('country__regex', '^[A-Z]{2}$')), name='orders_taxrate_country'), models.CheckConstraint(condition=models.Q(('percent__gte', 0), ('percent__lte', 100)), name='orders_taxrate_percent'), models.UniqueConstraint(condition=models.Q(('active', True)), fields=('country', 'region', 'tax_class'), name='orders_taxrate_once', violation_error_message='There is an active rate for this country, region and tax class. Set it inactive first.')],
            },
        ),
    ]
