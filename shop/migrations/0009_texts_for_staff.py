# What staff read beside the fields: changes the state of the models and runs no SQL.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('shop', '0008_guests_taken_along'),
    ]

    operations = [
        migrations.AlterField(
            model_name='erasure',
            name='asked_by',
            field=models.CharField(editable=False, help_text='The id of the member of staff, or the system user who ran the command.', max_length=150),
        ),
        migrations.AlterField(
            model_name='user',
            name='guest_email',
            field=models.EmailField(blank=True, editable=False, help_text='For guests: where their mails go. It is not verified, and nobody can sign in with it.', max_length=254, null=True, verbose_name="guest's mailbox"),
        ),
        migrations.AlterField(
            model_name='user',
            name='guest_until',
            field=models.DateTimeField(editable=False, help_text='For guests: when the shop next checks whether an order still needs them.', null=True),
        ),
    ]
