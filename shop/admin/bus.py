"""The admin of the bus: what a context published, what it heard, and the dead letters that wait for a human.

Every context's tables of the bus have the same pages, which are registered here.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from shop.accounts.trail import log_action
from shop.admin.bulk import bulk_action
from shop.admin.pages import ReadOnlyAdmin, action, confirmation, display, preformatted, pretty_json, status_badge
from shop.admin.searching import matching
from shop.events import dead_letters, quarantine
from shop.events.inbox import DeliveryStatus, InboxEntry
from shop.events.outbox import OutboxMessage
from shop.events.past import HistoryEntry, WatermarkRow
from shop.events.subscribers import all_subscriptions


class OutboxAdmin(ReadOnlyAdmin):
    """A context's outbox: read what was told, and give back to the relay what the broker refused for good.

    Releasing needs `<context>.change_outbox`.
    """

    list_display = (
        "id",
        "type",
        "aggregate_id",
        "aggregate_version",
        "occurred_at",
        "published_at",
        "attempts",
        "quarantined_at",
    )
    list_filter = ("type", ("published_at", admin.EmptyFieldListFilter), ("quarantined_at", admin.EmptyFieldListFilter))
    search_fields = ("aggregate_id__exact", "event_id__exact")
    ordering = ("-id",)
    exclude = ("payload",)
    readonly_fields = ("payload_json",)
    actions = ("release_selected",)
    actions_detail: Any = ("release_one",)

    @display(description="payload")
    def payload_json(self, obj: Any) -> SafeString:
        """Show the fact's data."""
        return pretty_json(obj.payload)

    @bulk_action(
        description="Release from quarantine",
        consequence="Each fact that is quarantined is given to the broker again; subscribers hear it late.",
    )
    def release_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Give each selected row that is quarantined to the relay again."""
        for row in queryset:
            self._release(request, row)

    @action(
        description="Release from quarantine",
        url_path="release",
        icon="outbox",
        dialog=confirmation("Release", "Only a row that is quarantined is published again.", submit="Release"),
    )
    def release_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Give this row to the relay again."""
        if row := self.get_object(request, object_id):
            self._release(request, row)
        return self.back_to(request, object_id)

    def _release(self, request: HttpRequest, row: Any) -> None:
        staff = str(request.user.pk)
        if not quarantine.release_quarantined(self.opts.app_label, staff=staff, ids=[row.pk]):
            self.message_user(request, f"{row}: it is not quarantined", messages.ERROR)
            return
        log_action(staff=request.user, obj=row, message="released from quarantine")
        self.message_user(request, f"{row}: released from quarantine", messages.SUCCESS)


class HistoryAdmin(ReadOnlyAdmin):
    """A context's history: the facts that have left its outbox, and who did what they tell of."""

    list_display = ("id", "type", "aggregate_id", "aggregate_version", "occurred_at", "actor")
    search_fields = ("aggregate_id__exact",)
    ordering = ("-id",)
    exclude = ("payload",)
    readonly_fields = ("payload_json",)

    @display(description="payload")
    def payload_json(self, obj: Any) -> SafeString:
        """Show the fact's data."""
        return pretty_json(obj.payload)


class WatermarkAdmin(ReadOnlyAdmin):
    """Since when a context has all of its facts, and of what it heard."""

    list_display = ("kept", "since")
    searches_exactly = False


class InboxAdmin(ReadOnlyAdmin):
    """A context's inbox, dead letters first: read the envelope and the exception, replay, or discard.

    Deciding needs `<context>.change_inbox`.
    """

    list_display = ("id", "status_label", "event_type", "subscriber", "attempts", "received_at", "due_at", "decided_by")
    list_filter = ("status", "event_type", "subscriber")
    search_fields = ("event_id__exact",)
    ordering = ("-id",)
    urgent = Q(status=DeliveryStatus.DEAD)
    exclude = ("envelope", "error")
    readonly_fields = ("envelope_json", "error_text")
    actions = ("replay_selected", "discard_selected")
    actions_detail: Any = ("replay_one", "discard_one")

    status_label = status_badge(
        colors={
            DeliveryStatus.PROCESSED: "success",
            DeliveryStatus.RETRYING: "warning",
            DeliveryStatus.DEAD: "danger",
        }
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find the deliveries of an event: by the index over subscribers and events, or among the dead letters."""
        event = matching(self.model, "event_id", search_term.strip())
        if not search_term.strip():
            return queryset, False
        mine = {each.name for several in all_subscriptions().values() for each in several}
        return queryset.filter(event & (Q(subscriber__in=sorted(mine)) | Q(status=DeliveryStatus.DEAD))), False

    @display(description="envelope")
    def envelope_json(self, obj: Any) -> SafeString:
        """Show the event as it traveled; an applied one keeps none."""
        return pretty_json(obj.envelope) if obj.envelope is not None else SafeString("-")

    @display(description="error")
    def error_text(self, obj: Any) -> SafeString:
        """Show the last exception."""
        return preformatted(obj.error or "-", scrolls=True)

    @bulk_action(
        description="Replay", consequence="Each dead letter is given to its one subscriber again, with all its effects."
    )
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Give each selected dead letter to its subscriber again."""
        for entry in queryset:
            self._replay(request, entry)

    @bulk_action(
        description="Discard",
        consequence="Each dead letter is set aside for good: its subscriber never applies the event.",
    )
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Set each selected dead letter aside for good."""
        for entry in queryset:
            self._discard(request, entry)

    @action(
        description="Replay",
        url_path="replay",
        icon="replay",
        dialog=confirmation("Replay", "Give the event to this one subscriber again, now.", submit="Replay"),
    )
    def replay_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Give this dead letter to its subscriber again."""
        if entry := self.get_object(request, object_id):
            self._replay(request, entry)
        return self.back_to(request, object_id)

    @action(
        description="Discard",
        url_path="discard",
        icon="delete",
        dialog=confirmation("Discard", "Set it aside for good; payload and error stay on record.", submit="Discard"),
    )
    def discard_one(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        """Set this dead letter aside for good."""
        if entry := self.get_object(request, object_id):
            self._discard(request, entry)
        return self.back_to(request, object_id)

    def _replay(self, request: HttpRequest, entry: Any) -> None:
        context, staff = self.opts.app_label, str(request.user.pk)
        self.attempt(
            request,
            entry,
            "replayed",
            lambda: dead_letters.replay(context=context, entry_id=entry.pk, staff=staff),
        )

    def _discard(self, request: HttpRequest, entry: Any) -> None:
        context, staff = self.opts.app_label, str(request.user.pk)
        self.attempt(
            request,
            entry,
            "discarded",
            lambda: dead_letters.discard(context=context, entry_id=entry.pk, staff=staff),
        )


_PAGES: dict[type[Model], type[ReadOnlyAdmin]] = {
    OutboxMessage: OutboxAdmin,
    HistoryEntry: HistoryAdmin,
    WatermarkRow: WatermarkAdmin,
    InboxEntry: InboxAdmin,
}
for _model in apps.get_models():
    for _kind, _page in _PAGES.items():
        if issubclass(_model, _kind):
            admin.site.register(_model, _page)
