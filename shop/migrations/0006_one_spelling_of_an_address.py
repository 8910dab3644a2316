from collections import defaultdict

from django.core.management.base import CommandError
from django.db import migrations, models
from django.db.models.functions import Lower

ADD = 'CREATE UNIQUE INDEX CONCURRENTLY shop_user_email_once ON shop_user (LOWER(email))'
# Also one that a creation left behind which was interrupted.
DROP = 'DROP INDEX CONCURRENTLY IF EXISTS shop_user_email_once'


def refuse_duplicates(apps, schema_editor):
    """Name the accounts whose addresses differ in capitals only. Raises: CommandError, before anything is changed."""
    users = apps.get_model('shop', 'User').objects.using(schema_editor.connection.alias)
    spelled = users.annotate(email_lower=Lower('email')).values('email_lower')
    twice = spelled.annotate(times=models.Count('pk')).filter(times__gt=1).values('email_lower')
    found = defaultdict(list)
    for email, pk in users.annotate(email_lower=Lower('email')).filter(email_lower__in=twice).order_by('pk').values_list('email_lower', 'pk'):
        found[email].append(str(pk))
    if found:
        raise CommandError(
            'These accounts have the same email address but for capital letters: '
            + '; '.join(' and '.join(pks) for pks in found.values())
            + '. In the admin, give all but one of each another address, or erase them; then migrate again.'
        )


def spell_alike(apps, schema_editor):
    """Write every account's address in small letters."""
    users = apps.get_model('shop', 'User').objects.using(schema_editor.connection.alias)
    users.exclude(email=Lower('email')).update(email=Lower('email'))


def settle_addresses(apps, schema_editor):
    """Give an account the address that it has confirmed in place of one that it has not; drop what nobody has confirmed."""
    alias = schema_editor.connection.alias
    users = apps.get_model('shop', 'User').objects.using(alias)
    addresses = apps.get_model('account', 'EmailAddress').objects.using(alias)
    confirmed = addresses.filter(verified=True).order_by('pk')
    own = addresses.filter(user_id=models.OuterRef('user_id'), email=models.OuterRef('user__email'), verified=False)
    for address in list(confirmed.filter(models.Exists(own))):
        waiting = addresses.filter(user_id=address.user_id, email=users.get(pk=address.user_id).email, verified=False)
        if waiting.exists() and not users.filter(email=address.email).exists():
            addresses.filter(user_id=address.user_id, primary=True).update(primary=False)
            addresses.filter(pk=address.pk).update(primary=True)
            users.filter(pk=address.user_id).update(email=address.email)
    addresses.filter(verified=False).exclude(email=models.F('user__email')).delete()


class Migration(migrations.Migration):
    """An address is one account's, however it is spelled."""

    atomic = False
    dependencies = [
        ('shop', '0005_persons_erased'),
        ('account', '0009_emailaddress_unique_primary_email'),
    ]

    operations = [
        migrations.RunPython(refuse_duplicates, migrations.RunPython.noop),
        migrations.RunPython(spell_alike, migrations.RunPython.noop, atomic=True),
        migrations.RunPython(settle_addresses, migrations.RunPython.noop, atomic=True),
        migrations.RunSQL(DROP, migrations.RunSQL.noop),
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL(ADD, DROP)],
            [
                migrations.AddConstraint(
                    model_name='user',
                    constraint=models.UniqueConstraint(Lower('email'), name='shop_user_email_once', violation_error_message='Another account has this address.'),
                ),
            ],
        ),
    ]
