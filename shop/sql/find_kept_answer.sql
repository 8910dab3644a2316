-- The final answer that a user's Idempotency-Key got.
SELECT fingerprint, response_status, response_headers::text, response_body
FROM shop_idempotencykey WHERE user_id = %(user_id)s::uuid AND key = %(key)s
