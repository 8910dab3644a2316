import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds ways for parcels to travel and what they cost; the release before uses neither."""

    dependencies = [
        ('shipping', '0009_sandbox_carrier_moves_out'),
    ]

    operations = [
        migrations.CreateModel(
            name='ShippingOption',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(help_text="Its name in the API, in small letters, such as standard. Don't change it while customers order.", max_length=40, unique=True, validators=[django.core.validators.RegexValidator('^[a-z0-9][a-z0-9_-]{0,39}$')])),
                ('name', models.CharField(help_text='What customers read, such as Standard delivery.', max_length=80)),
                ('days_min', models.PositiveSmallIntegerField(help_text='Parcels arrive after this many days at the earliest.')),
                ('days_max', models.PositiveSmallIntegerField(help_text='Parcels arrive after this many days at the latest.')),
                ('position', models.PositiveSmallIntegerField(default=0, help_text='Options are listed by this number, lowest first.')),
                ('active', models.BooleanField(default=True, help_text='Customers can choose only active options.')),
            ],
            options={
                'ordering': ['position', 'code'],
                'constraints': [models.CheckConstraint(condition=models.Q(('code__regex', '^[a-z0-9][a-z0-9_-]{0,39}$')), name='shipping_option_code'), models.CheckConstraint(condition=models.Q(('days_max__gte', models.F('days_min'))), name='shipping_option_days', violation_error_message='The latest day is not before the earliest.')],
            },
        ),
        migrations.CreateModel(
            name='ShippingRate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('countries', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=2), blank=True, default=list, help_text='ISO 3166 codes, separated by commas: DE,AT. Empty: all countries; a rate that names the country wins.', size=None)),
                ('min_weight_grams', models.PositiveIntegerField(default=0, help_text='Only parcels of at least this weight.')),
                ('max_weight_grams', models.PositiveIntegerField(blank=True, help_text='Only parcels of at most this weight. Empty: of any weight.', null=True)),
                ('currency', models.CharField(help_text='ISO 4217 code. Only orders in this currency.', max_length=3)),
                ('price_minor', models.BigIntegerField()),
                ('free_from_minor', models.BigIntegerField(blank=True, null=True)),
                ('option', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rates', to='shipping.shippingoption')),
            ],
            options={
                'ordering': ['id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$')), name='shipping_rate_currency'), models.CheckConstraint(condition=models.Q(('price_minor__gte', 0)), name='shipping_rate_price'), models.CheckConstraint(condition=models.Q(('free_from_minor', None), ('free_from_minor__gte', 0), _connector='OR'), name='shipping_rate_free_from'), models.CheckConstraint(condition=models.Q(('max_weight_grams', None), ('max_weight_grams__gte', models.F('min_weight_grams')), _connector='OR'), name='shipping_rate_weight', violation_error_message='The highest weight is not below the lowest.')],
            },
        ),
    ]
