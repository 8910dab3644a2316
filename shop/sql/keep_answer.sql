-- Keep a final answer before it is given; nothing is returned where one was kept first. A unique key, no lock.
INSERT INTO shop_idempotencykey (
    user_id, key, method, path, fingerprint, response_status, response_headers, response_body
)
VALUES (
    %(user_id)s::uuid, %(key)s, %(method)s, %(path)s, %(fingerprint)s, %(response_status)s::smallint,
    %(response_headers)s::jsonb, %(response_body)s
)
ON CONFLICT (user_id, key) DO NOTHING
RETURNING id
