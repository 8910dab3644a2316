"""Products, stock with its ledger, reservations, and the outbox; the ledger can only be appended to."""

import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import shop.ids
from django.db import migrations, models

# TRUNCATE is left to those who own the table; the application's statements are row by row.
REFUSE_REWRITE = """
CREATE FUNCTION inventory.refuse_ledger_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the stock ledger is append-only: write a movement that corrects it'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER refuse_ledger_rewrite BEFORE UPDATE OR DELETE ON inventory.inventory_stockmovement
    FOR EACH ROW EXECUTE FUNCTION inventory.refuse_ledger_rewrite();
"""
ALLOW_REWRITE = """
DROP TRIGGER refuse_ledger_rewrite ON inventory.inventory_stockmovement;
DROP FUNCTION inventory.refuse_ledger_rewrite();
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Product',
            fields=[
                ('id', models.UUIDField(default=shop.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('sku', models.CharField(max_length=64, unique=True, validators=[django.core.validators.RegexValidator('^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$')], verbose_name='SKU')),
                ('name', models.CharField(max_length=200)),
                ('price_minor', models.BigIntegerField(help_text='The price of one unit in minor units: cents, yen, fils.')),
                ('currency', models.CharField(help_text='ISO 4217 code.', max_length=3)),
                ('active', models.BooleanField(default=True, help_text='Only active products can be ordered.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'ordering': ['sku'],
            },
        ),
        migrations.CreateModel(
            name='Reservation',
            fields=[
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('order_id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('status', models.CharField(choices=[('HELD', 'held'), ('PAYING', 'paying'), ('COMMITTED', 'committed'), ('RELEASED', 'released'), ('EXPIRED', 'expired'), ('RETURNED', 'returned'), ('SHORT', 'short')], max_length=10)),
                ('expires_at', models.DateTimeField(editable=False, null=True)),
                ('short_sku', models.CharField(blank=True, editable=False, max_length=64)),
                ('short_wanted', models.BigIntegerField(editable=False, null=True)),
                ('short_available', models.BigIntegerField(editable=False, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
        ),
        migrations.CreateModel(
            name='ReservationLine',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('sku', models.CharField(max_length=64, verbose_name='SKU')),
                ('quantity', models.PositiveIntegerField()),
            ],
            options={
                'ordering': ['sku'],
            },
        ),
        migrations.CreateModel(
            name='StockMovement',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('sku', models.CharField(max_length=64, verbose_name='SKU')),
                ('kind', models.CharField(choices=[('RECEIVED', 'received'), ('WRITTEN_OFF', 'written off'), ('RESERVED', 'reserved'), ('COMMITTED', 'committed'), ('RELEASED', 'released'), ('EXPIRED', 'expired'), ('RETURNED', 'returned')], max_length=12)),
                ('available_delta', models.BigIntegerField()),
                ('reserved_delta', models.BigIntegerField()),
                ('sold_delta', models.BigIntegerField()),
                ('received_delta', models.BigIntegerField()),
                ('written_off_delta', models.BigIntegerField()),
                ('order_id', models.UUIDField(null=True)),
                ('reference', models.CharField(blank=True, max_length=200)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name='Outbox',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('event_id', models.UUIDField(editable=False, unique=True)),
                ('type', models.CharField(max_length=80)),
                ('schema_version', models.PositiveSmallIntegerField()),
                ('aggregate_id', models.UUIDField()),
                ('aggregate_version', models.PositiveIntegerField()),
                ('payload', models.JSONField()),
                ('traceparent', models.CharField(blank=True, max_length=55)),
                ('occurred_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('claimed_until', models.DateTimeField(editable=False, null=True)),
                ('published_at', models.DateTimeField(editable=False, null=True)),
                ('attempts', models.PositiveSmallIntegerField(db_default=0, default=0)),
                ('quarantined_at', models.DateTimeField(editable=False, null=True)),
                ('last_error', models.TextField(blank=True)),
            ],
            options={
                'verbose_name': 'outbox message',
                'verbose_name_plural': 'outbox',
                'abstract': False,
                'indexes': [models.Index(condition=models.Q(('published_at', None), ('quarantined_at', None)), fields=['id'], name='inventory_outbox_waiting'), models.Index(fields=['aggregate_id', 'id'], name='inventory_outbox_aggregate')],
            },
        ),
        migrations.CreateModel(
            name='Stock',
            fields=[
                ('product', models.OneToOneField(db_column='sku', on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='stock', serialize=False, to='inventory.product', to_field='sku')),
                ('available', models.BigIntegerField(default=0)),
                ('reserved', models.BigIntegerField(default=0)),
                ('sold', models.BigIntegerField(default=0)),
                ('received', models.BigIntegerField(default=0)),
                ('written_off', models.BigIntegerField(default=0)),
                ('version', models.BigIntegerField(default=1)),
            ],
            options={
                'verbose_name_plural': 'stock',
            },
        ),
        migrations.AddConstraint(
            model_name='product',
            constraint=models.CheckConstraint(condition=models.Q(('price_minor__gte', 0)), name='inventory_product_price'),
        ),
        migrations.AddConstraint(
            model_name='product',
            constraint=models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$')), name='inventory_product_currency'),
        ),
        migrations.AddConstraint(
            model_name='product',
            constraint=models.CheckConstraint(condition=models.Q(('sku__regex', '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$')), name='inventory_product_sku'),
        ),
        migrations.AddIndex(
            model_name='reservation',
            index=models.Index(condition=models.Q(('status', 'HELD')), fields=['expires_at'], name='inventory_reservation_held'),
        ),
        migrations.AddIndex(
            model_name='reservation',
            index=models.Index(fields=['created_at'], name='inventory_reservation_created'),
        ),
        migrations.AddIndex(
            model_name='reservation',
            index=models.Index(condition=models.Q(('status__in', ['HELD', 'PAYING'])), fields=['status'], name='inventory_reservation_open'),
        ),
        migrations.AddConstraint(
            model_name='reservation',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['HELD', 'PAYING', 'COMMITTED', 'RELEASED', 'EXPIRED', 'RETURNED', 'SHORT'])), name='inventory_reservation_status'),
        ),
        migrations.AddConstraint(
            model_name='reservation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'HELD'), _negated=True), ('expires_at__isnull', False), _connector='OR'), name='inventory_reservation_expiry'),
        ),
        migrations.AddConstraint(
            model_name='reservation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('short_available__isnull', False), ('short_wanted__isnull', False), ('status', 'SHORT')), models.Q(models.Q(('status', 'SHORT'), _negated=True), ('short_available', None), ('short_sku', ''), ('short_wanted', None)), _connector='OR'), name='inventory_reservation_short'),
        ),
        migrations.AddField(
            model_name='reservationline',
            name='reservation',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='inventory.reservation'),
        ),
        migrations.AddIndex(
            model_name='stockmovement',
            index=models.Index(fields=['sku', 'id'], name='inventory_stockmovement_sku'),
        ),
        migrations.AddConstraint(
            model_name='stockmovement',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['RECEIVED', 'WRITTEN_OFF', 'RESERVED', 'COMMITTED', 'RELEASED', 'EXPIRED', 'RETURNED'])), name='inventory_stockmovement_kind'),
        ),
        migrations.AddConstraint(
            model_name='stockmovement',
            constraint=models.CheckConstraint(condition=models.Q(('received_delta', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('available_delta'), '+', models.F('reserved_delta')), '+', models.F('sold_delta')), '+', models.F('written_off_delta')))), name='inventory_stockmovement_law'),
        ),
        migrations.AddConstraint(
            model_name='stockmovement',
            constraint=models.UniqueConstraint(condition=models.Q(('order_id__isnull', False)), fields=('order_id', 'sku', 'kind'), name='inventory_stockmovement_once'),
        ),
        migrations.AddConstraint(
            model_name='stock',
            constraint=models.CheckConstraint(condition=models.Q(('available__gte', 0)), name='inventory_stock_available'),
        ),
        migrations.AddConstraint(
            model_name='stock',
            constraint=models.CheckConstraint(condition=models.Q(('reserved__gte', 0)), name='inventory_stock_reserved'),
        ),
        migrations.AddConstraint(
            model_name='stock',
            constraint=models.CheckConstraint(condition=models.Q(('sold__gte', 0)), name='inventory_stock_sold'),
        ),
        migrations.AddConstraint(
            model_name='stock',
            constraint=models.CheckConstraint(condition=models.Q(('received__gte', 0)), name='inventory_stock_received'),
        ),
        migrations.AddConstraint(
            model_name='stock',
            constraint=models.CheckConstraint(condition=models.Q(('written_off__gte', 0)), name='inventory_stock_written_off'),
        ),
        migrations.AddConstraint(
            model_name='stock',
            constraint=models.CheckConstraint(condition=models.Q(('received', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('available'), '+', models.F('reserved')), '+', models.F('sold')), '+', models.F('written_off')))), name='inventory_stock_law'),
        ),
        migrations.AddConstraint(
            model_name='reservationline',
            constraint=models.UniqueConstraint(fields=('reservation', 'sku'), name='inventory_reservationline_once'),
        ),
        migrations.AddConstraint(
            model_name='reservationline',
            constraint=models.CheckConstraint(condition=models.Q(('quantity__gte', 1)), name='inventory_reservationline_quantity'),
        ),
        migrations.RunSQL(REFUSE_REWRITE, reverse_sql=ALLOW_REWRITE),
    ]
