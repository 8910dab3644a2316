from django.db import migrations, models


class Migration(migrations.Migration):
    """The payment methods that were refused, and whether another may follow; a payment of an earlier release has none."""

    dependencies = [
        ('payments', '0007_owed_again'),
    ]

    operations = [
        migrations.AddField(
            model_name='payment',
            name='may_try_another',
            field=models.BooleanField(db_default=False, default=False, help_text='DECLINED: another payment method may follow on the same intent.'),
        ),
        migrations.AddField(
            model_name='payment',
            name='refused',
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, editable=False, help_text='The payment methods that were tried and are over, each with its decline code, in their order.'),
        ),
    ]
