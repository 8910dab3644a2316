from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    """An email that tells of a refund which came back names its amount, as one that tells of a refund does."""

    atomic = False
    dependencies = [
        ('notifications', '0002_costs_that_do_not_grow'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='email',
            name='notifications_email_amount_of_refund',
        ),
        migrations.AlterField(
            model_name='email',
            name='amount_minor',
            field=models.BigIntegerField(blank=True, help_text='What a refund gave back, or did not.', null=True),
        ),
        migrations.AlterField(
            model_name='email',
            name='kind',
            field=models.CharField(choices=[('order_confirmed', 'Order Confirmed'), ('order_canceled', 'Order Canceled'), ('order_shipped', 'Order Shipped'), ('order_refunded', 'Order Refunded'), ('refund_issued', 'Refund Issued'), ('refund_returned', 'Refund Returned')], max_length=20),
        ),
        AddConstraintNotValid(
            model_name='email',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('amount_minor__gt', 0), ('currency__regex', '^[A-Z]{3}$'), ('kind__in', ['refund_issued', 'refund_returned'])), models.Q(models.Q(('kind__in', ['refund_issued', 'refund_returned']), _negated=True), ('amount_minor', None), ('cause_id', models.F('order_id')), ('currency', '')), _connector='OR'), name='notifications_email_amount_of_refund'),
        ),
        ValidateConstraint(
            model_name='email',
            name='notifications_email_amount_of_refund',
        ),
    ]
