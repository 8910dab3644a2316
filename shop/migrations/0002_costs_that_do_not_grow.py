from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    """Answers are pruned along their ids: the index by age has no reader any more."""

    atomic = False
    dependencies = [
        ('shop', '0001_initial'),
    ]

    operations = [
        RemoveIndexConcurrently(
            model_name='idempotencykey',
            name='shop_idempotency_key_age',
        ),
    ]
