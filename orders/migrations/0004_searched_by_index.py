import django.db.models.functions.text
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Staff find orders by an email address, whatever its case."""

    atomic = False

    dependencies = [
        ('orders', '0003_costs_that_do_not_grow'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='contact',
            index=models.Index(django.db.models.functions.text.Upper('email'), name='orders_contact_email'),
        ),
    ]
