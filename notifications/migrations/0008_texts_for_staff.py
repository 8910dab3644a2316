# What staff read beside the fields: changes the state of the models and runs no SQL.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0007_link_requests'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='history',
            options={'verbose_name': 'past fact', 'verbose_name_plural': 'history'},
        ),
        migrations.AlterField(
            model_name='email',
            name='amount_minor',
            field=models.BigIntegerField(blank=True, help_text='The amount of the refund that the email is about, returned or failed.', null=True),
        ),
        migrations.AlterField(
            model_name='history',
            name='actor',
            field=models.CharField(blank=True, help_text='Who did it.', max_length=160),
        ),
        migrations.AlterField(
            model_name='history',
            name='request_id',
            field=models.UUIDField(editable=False, help_text='The request in which it was done.', null=True),
        ),
        migrations.AlterField(
            model_name='outbox',
            name='actor',
            field=models.CharField(blank=True, db_default='', default='', help_text='Who did it.', max_length=160),
        ),
        migrations.AlterField(
            model_name='outbox',
            name='request_id',
            field=models.UUIDField(editable=False, help_text='The request in which it was done.', null=True),
        ),
        migrations.AlterField(
            model_name='watermark',
            name='kept',
            field=models.CharField(choices=[('BEGAN', 'start of the history'), ('HISTORY', 'facts in the history'), ('INBOX', 'facts heard')], max_length=16, primary_key=True, serialize=False),
        ),
    ]
