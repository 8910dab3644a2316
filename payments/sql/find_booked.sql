-- Our payments by intents that the provider lists, as they are held against these.
SELECT intent_id, status, currency, captured_minor, refunded_minor, created_at, due_at IS NOT NULL
FROM payments_payment WHERE intent_id = ANY(%(intent_ids)s::text[])
