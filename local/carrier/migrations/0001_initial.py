import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    """Take the table over that shipping's first migration made."""

    initial = True

    dependencies = [
        ('shipping', '0009_sandbox_carrier_moves_out'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name='SandboxBooking',
                    fields=[
                        ('id', models.BigAutoField(primary_key=True, serialize=False)),
                        ('reference', models.UUIDField(db_index=True)),
                        ('booked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ('voided_at', models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        'db_table': 'shipping_sandboxbooking',
                    },
                ),
            ],
        ),
    ]
