"""The triggers of a context's history, for migrations: applied ones import this, so it is never changed, only added to.

What leaves the outbox is moved by the database, so the application's statements cannot forget it. The history takes rows
and gives none back: but those older than its watermark, which the pruning raises first. It takes no tracking number, the one
personal member of a payload: an erasure of a person finds what is in the outbox, and nothing of them is in the history.
"""

from __future__ import annotations

from django.db import migrations

_CREATE = """
CREATE FUNCTION {context}.keep_facts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {context}.{context}_history (id, event_id, type, schema_version, aggregate_id, aggregate_version, payload,
        traceparent, actor, request_id, occurred_at, published_at)
    SELECT id, event_id, type, schema_version, aggregate_id, aggregate_version, payload - 'tracking_number', traceparent,
        actor, request_id, occurred_at, published_at
    FROM gone;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_facts AFTER DELETE ON {context}.{context}_outbox
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION {context}.keep_facts();
CREATE FUNCTION {context}.refuse_history_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history is append-only: its facts are not changed'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER refuse_history_rewrite BEFORE UPDATE ON {context}.{context}_history
    FOR EACH ROW EXECUTE FUNCTION {context}.refuse_history_rewrite();
CREATE FUNCTION {context}.refuse_history_gaps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone WHERE occurred_at >= coalesce(
        (SELECT since FROM {context}.{context}_watermark WHERE kept = 'HISTORY'), '-infinity')) THEN
        RAISE EXCEPTION 'the history is append-only: only what its watermark has passed is deleted'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refuse_history_gaps AFTER DELETE ON {context}.{context}_history
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION {context}.refuse_history_gaps();
-- After the first trigger, which waits for every transaction that is deleting: from here on nothing is lost.
INSERT INTO {context}.{context}_watermark (kept, since) VALUES ('BEGAN', clock_timestamp());
"""
_DROP = """
DELETE FROM {context}.{context}_watermark WHERE kept = 'BEGAN';
DROP TRIGGER refuse_history_gaps ON {context}.{context}_history;
DROP FUNCTION {context}.refuse_history_gaps();
DROP TRIGGER refuse_history_rewrite ON {context}.{context}_history;
DROP FUNCTION {context}.refuse_history_rewrite();
DROP TRIGGER keep_facts ON {context}.{context}_outbox;
DROP FUNCTION {context}.keep_facts();
"""


def keep_history(context: str) -> migrations.RunSQL:
    """Return the operation that has the database keep the facts of a context."""
    return migrations.RunSQL(_CREATE.format(context=context), _DROP.format(context=context))
