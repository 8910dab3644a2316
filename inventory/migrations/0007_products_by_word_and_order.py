import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Products are found by word and listed in each order by indexes, built beside running orders."""

    atomic = False
    dependencies = [
        ('inventory', '0006_products_that_can_be_shown'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='product',
            index=django.contrib.postgres.indexes.GinIndex(models.Func('sku', 'name', 'category', models.Func('options', template="jsonb_path_query_array(%(expressions)s, '$.*')::text"), 'description', arg_joiner=" || ' ' || ", output_field=django.contrib.postgres.search.SearchVectorField(), template="to_tsvector('simple'::regconfig, regexp_replace(regexp_replace(normalize(%(expressions)s, NFKD), '[\\u0300-\\u036f]+', '', 'g'), '[!-/:-@\\[-`{-~]+', ' ', 'g'))"), fastupdate=False, name='inventory_product_words'),
        ),
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(models.Func('name', 'sku', arg_joiner=") || ' ' || ", output_field=models.TextField(), template='(lower(%(expressions)s)'), condition=models.Q(('active', True)), name='inventory_product_by_name'),
        ),
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(models.Func('currency', models.Func('price_minor', template="lpad(%(expressions)s::text, 13, '0')"), 'sku', arg_joiner=' || ', output_field=models.TextField(), template='(%(expressions)s) COLLATE "C"'), condition=models.Q(('active', True)), name='inventory_product_by_price'),
        ),
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(condition=models.Q(('active', True)), fields=['category', 'sku'], name='inventory_product_by_category'),
        ),
    ]
