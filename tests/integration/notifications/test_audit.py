"""What the audit finds in notifications: nothing in what the services made, and each planted violation."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from notifications import rules
from notifications.models import Email, Inbox
from notifications.services import emails, sending
from shop.audit import checks
from shop.ids import new_id
from tests.integration.notifications.emails import make_due

# Here facts are delivered that nobody has told, for orders that do not exist.
OF_OTHERS = {
    "each customer was told what happened",
    "no customer was told what did not happen",
    "every fact that was heard was told",
}


def found() -> list[tuple[str, str]]:
    return [
        (violation.promise, violation.subject)
        for check in checks()
        if check.context == "notifications" and check.title not in OF_OTHERS
        for violation in check.run()
    ]


def test_what_services_make_is_clean(queued_email, mail_server):
    queued_email()
    sending.send_due_emails()
    failed = queued_email()
    mail_server.trouble = [OSError("down")]
    Email.objects.filter(pk=failed.pk).update(attempts=rules.MAX_ATTEMPTS - 1)
    sending.send_due_emails()
    emails.send_again(email_id=failed.pk)
    make_due(failed)

    assert found() == []


def test_change_without_event_is_found(queued_email):
    email = queued_email()

    Email.objects.filter(pk=email.pk).update(version=2)

    assert found() == [("I8", f"email {email.pk}")]


def test_status_written_past_the_table_is_found(queued_email):
    email = queued_email()

    Email.objects.filter(pk=email.pk).update(status="SENT")

    assert ("I9", f"email {email.pk}") in found()
    assert {subject for _promise, subject in found()} == {f"email {email.pk}"}


def test_email_that_waits_for_an_earlier_one_of_its_order_is_not_overdue(queued_email, hear):
    email = queued_email()
    hear("tell_customer_parcel_left", email.order_id)
    Email.objects.exclude(pk=email.pk).update(due_at=Now() - timedelta(hours=1))

    Email.objects.filter(pk=email.pk).update(due_at=Now() + timedelta(hours=1))

    assert found() == []


def test_email_that_nobody_sends_is_found(queued_email):
    email = queued_email()

    Email.objects.filter(pk=email.pk).update(due_at=Now() - timedelta(hours=1))

    assert found() == [("I10", f"email {email.pk}")]


@pytest.mark.parametrize(("status", "problems"), [("RETRYING", 1), ("DEAD", 0), ("PROCESSED", 0), ("DISCARDED", 0)])
def test_delivery_that_nobody_retries_is_found_and_a_dead_letter_is_allowed(status, problems, database):
    Inbox.objects.create(
        subscriber="notifications.s",
        event_id=new_id(),
        event_type="t",
        status=status,
        due_at=Now() - timedelta(hours=1) if status == "RETRYING" else None,
        envelope={},
    )

    assert [promise for promise, _subject in found()] == ["I8"] * problems
