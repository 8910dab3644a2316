from django.db import migrations, models


class Migration(migrations.Migration):
    """Which sweeps run. Nothing is lost with it, so it is not logged: its commits wait for no disk."""

    dependencies = [("shop", "0002_costs_that_do_not_grow")]

    operations = [
        migrations.CreateModel(
            name="RunningSweep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sweep", models.CharField(editable=False, max_length=80)),
                ("place", models.PositiveSmallIntegerField(editable=False)),
                ("until", models.DateTimeField(editable=False)),
                ("asked_again", models.BooleanField(default=False, editable=False)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("sweep", "place"), name="shop_running_sweep_once"),
                ],
            },
        ),
        migrations.RunSQL("ALTER TABLE shop_runningsweep SET UNLOGGED", migrations.RunSQL.noop),
    ]
