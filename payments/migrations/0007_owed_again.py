from django.db import migrations, models


class Migration(migrations.Migration):
    """What would be owed to a customer, had a lost dispute not given it to them."""

    dependencies = [
        ('payments', '0006_disputes'),
    ]

    operations = [
        migrations.AddField(
            model_name='payment',
            name='covered_minor',
            field=models.BigIntegerField(db_default=0, default=0, help_text='Owed, but for what lost disputes took; owed again where that comes back.'),
        ),
    ]
