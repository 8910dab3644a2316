from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.lookups import IsNull

FIRST_DUE_AT = models.Case(models.When(kind='order_confirmed', then='due_at'))


class Migration(migrations.Migration):
    """The mails of confirmed orders are found without a look at the others. Built beside running orders."""

    atomic = False
    dependencies = [
        ('notifications', '0008_texts_for_staff'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='email',
            index=models.Index(FIRST_DUE_AT, condition=models.Q(IsNull(FIRST_DUE_AT, rhs=False)), name='notifications_email_first'),
        ),
    ]
