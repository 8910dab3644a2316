import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):
    """A product has a description, pictures, a category, options, a weight, a tax class, and a time in which it is sold."""

    dependencies = [
        ('inventory', '0005_facts_that_last'),
    ]

    operations = [
        migrations.AddField(
            model_name='product',
            name='active_from',
            field=models.DateTimeField(blank=True, help_text='For sale from this moment on.', null=True),
        ),
        migrations.AddField(
            model_name='product',
            name='active_to',
            field=models.DateTimeField(blank=True, help_text='For sale until before this moment.', null=True),
        ),
        migrations.AddField(
            model_name='product',
            name='category',
            field=models.CharField(blank=True, db_default='', default='', max_length=80),
        ),
        migrations.AddField(
            model_name='product',
            name='description',
            field=models.TextField(blank=True, db_default='', default=''),
        ),
        migrations.AddField(
            model_name='product',
            name='group',
            field=models.CharField(blank=True, db_column='variant_group', db_default='', default='', help_text='Products of one group are one thing in several sizes or colors.', max_length=64),
        ),
        migrations.AddField(
            model_name='product',
            name='images',
            field=models.JSONField(db_default=[], default=list, help_text='Pictures in order: [{url, alt}].'),
        ),
        migrations.AddField(
            model_name='product',
            name='options',
            field=models.JSONField(db_default={}, default=dict, help_text='What tells it from its group: {"size": "M"}.'),
        ),
        migrations.AddField(
            model_name='product',
            name='tax_class',
            field=models.CharField(blank=True, db_default='', default='', help_text='Which rates of tax apply.', max_length=40),
        ),
        migrations.AddField(
            model_name='product',
            name='weight_grams',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='The weight of one unit, packed.'),
        ),
        migrations.AddConstraint(
            model_name='product',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.Exact(models.Func(models.F('images'), function='jsonb_typeof', output_field=models.TextField()), 'array'), name='inventory_product_images'),
        ),
        migrations.AddConstraint(
            model_name='product',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.Exact(models.Func(models.F('options'), function='jsonb_typeof', output_field=models.TextField()), 'object'), name='inventory_product_options'),
        ),
        migrations.AddConstraint(
            model_name='product',
            constraint=models.CheckConstraint(condition=models.Q(('active_from__lt', models.F('active_to')), ('active_from__isnull', True), ('active_to__isnull', True), _connector='OR'), name='inventory_product_active_between'),
        ),
        migrations.AddConstraint(
            model_name='product',
            constraint=models.CheckConstraint(condition=models.Q(('tax_class', ''), ('tax_class__regex', '^[a-z0-9][a-z0-9_-]{0,39}$'), _connector='OR'), name='inventory_product_tax_class'),
        ),
        migrations.AddConstraint(
            model_name='product',
            constraint=models.CheckConstraint(condition=models.Q(('group', ''), ('group__regex', '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'), _connector='OR'), name='inventory_product_group'),
        ),
        migrations.AddConstraint(
            model_name='product',
            constraint=models.UniqueConstraint(condition=models.Q(('group', ''), _negated=True), fields=('group', 'options'), name='inventory_product_variant'),
        ),
    ]
