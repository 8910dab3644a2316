from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    """Guests: users that order and have no account; an erasure knows those of the person."""

    atomic = False
    dependencies = [
        ('shop', '0006_one_spelling_of_an_address'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='guest_email',
            field=models.EmailField(blank=True, editable=False, help_text='Of a guest: where its mails go. Nobody has proved that it is theirs, and nobody signs in with it.', max_length=254, null=True, verbose_name="guest's mailbox"),
        ),
        migrations.AddField(
            model_name='user',
            name='guest_until',
            field=models.DateTimeField(editable=False, help_text='Of a guest: when it is next seen whether an order still needs it.', null=True),
        ),
        migrations.AddField(
            model_name='erasure',
            name='guests',
            field=models.JSONField(db_default=[], default=list, editable=False),
        ),
        AddIndexConcurrently(
            model_name='user',
            index=models.Index(condition=models.Q(('guest_email__isnull', False)), fields=['guest_email'], name='shop_user_guest'),
        ),
        AddIndexConcurrently(
            model_name='user',
            index=models.Index(condition=models.Q(('guest_until__isnull', False)), fields=['guest_until'], name='shop_user_guest_until'),
        ),
        AddConstraintNotValid(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(('guest_email', None), models.Q(('is_staff', False), ('is_superuser', False), ('password__startswith', '!')), _connector='OR'), name='shop_user_guest_is_no_account'),
        ),
        ValidateConstraint(
            model_name='user',
            name='shop_user_guest_is_no_account',
        ),
    ]
