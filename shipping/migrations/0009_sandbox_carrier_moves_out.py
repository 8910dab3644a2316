from django.db import migrations


class Migration(migrations.Migration):
    """The sandbox carrier is no longer shipping's: `local.carrier` goes on with its table, which stays as it is.

    Processes of an earlier release still book in it; a later release drops it where nobody goes on with it (ADR 35).
    """

    dependencies = [
        ('shipping', '0008_money_is_back'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel(name='SandboxBooking')]),
    ]
