from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """A saga knows since when it has been walked without an end."""

    atomic = False
    dependencies = [
        ('orders', '0005_orders_unpaid_of'),
    ]

    operations = [
        migrations.AddField(
            model_name='saga',
            name='walked_since',
            field=models.DateTimeField(help_text='Since then walks have begun and none came to its end.', null=True),
        ),
        AddIndexConcurrently(
            model_name='saga',
            index=models.Index(condition=models.Q(('finished_at', None), ('walked_since__isnull', False)), fields=['walked_since'], name='orders_saga_walked'),
        ),
    ]
