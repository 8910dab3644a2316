import django.db.models.expressions
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    """Columns for what is owed to a customer; those of earlier releases are found by the hourly reconciliation."""

    atomic = False
    dependencies = [
        ('payments', '0002_costs_that_do_not_grow'),
    ]

    operations = [
        migrations.AddField(
            model_name='payment',
            name='owed_minor',
            field=models.BigIntegerField(db_default=0, default=0, help_text='Of refunds that did not arrive.'),
        ),
        migrations.AddField(
            model_name='payment',
            name='settled_minor',
            field=models.BigIntegerField(db_default=0, default=0, help_text='Paid back by staff, not by a refund.'),
        ),
        AddIndexConcurrently(
            model_name='payment',
            index=models.Index(condition=models.Q(('owed_minor__gt', 0)), fields=['owed_minor'], name='payments_payment_owed'),
        ),
        AddConstraintNotValid(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('owed_minor__gte', 0), ('settled_minor__gte', 0), ('captured_minor__gte', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('refunded_minor'), '+', models.F('refund_reserved_minor')), '+', models.F('settled_minor')))), name='payments_settled_within_capture'),
        ),
        ValidateConstraint(
            model_name='payment',
            name='payments_settled_within_capture',
        ),
    ]
