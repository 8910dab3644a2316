from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    """A contact can be erased; those that are kept are walked along their orders, the oldest first."""

    atomic = False
    dependencies = [
        ('orders', '0010_held_by_email_and_address'),
    ]

    operations = [
        migrations.AddField(
            model_name='contact',
            name='erased_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        AddIndexConcurrently(
            model_name='contact',
            index=models.Index(condition=models.Q(('erased_at', None)), fields=['order'], name='orders_contact_kept'),
        ),
        AddConstraintNotValid(
            model_name='contact',
            constraint=models.CheckConstraint(condition=models.Q(('erased_at', None), models.Q(('city', 'erased'), ('email', 'erased@erased.invalid'), ('line1', 'erased'), ('line2', ''), ('name', 'erased'), ('postal_code', 'erased'), ('region', '')), _connector='OR'), name='orders_contact_erased_is_gone'),
        ),
        ValidateConstraint(
            model_name='contact',
            name='orders_contact_erased_is_gone',
        ),
    ]
