import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    """A table of what holds a parcel; an earlier release neither writes nor heeds it."""

    dependencies = [
        ('shipping', '0006_facts_that_last'),
    ]

    operations = [
        migrations.CreateModel(
            name='Hold',
            fields=[
                ('dispute_id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('order_id', models.UUIDField(db_index=True)),
                ('revision', models.PositiveIntegerField()),
                ('for_staff', models.BooleanField(default=False)),
                ('held_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('released_at', models.DateTimeField(blank=True, null=True)),
                ('released_by_staff', models.BooleanField(default=False)),
            ],
        ),
    ]
