-- A session that has not expired, beside the user %(user_id)s. Whose session it is stands signed within session_data;
-- the caller guesses by whom the token was last used, and looks again where that was somebody else. And the final answer
-- that this user's Idempotency-Key got, if any: the columns of find_kept_answer.sql.
SELECT
    s.session_data, u.password, u.last_login, u.is_superuser, u.first_name, u.last_name, u.is_staff, u.is_active,
    u.date_joined, u.id, u.email, u.guest_email, u.guest_until, k.fingerprint, k.response_status, k.response_headers::text, k.response_body
FROM django_session AS s LEFT JOIN shop_user AS u ON u.id = %(user_id)s::uuid
LEFT JOIN shop_idempotencykey AS k ON k.user_id = u.id AND k.key = %(key)s
WHERE s.session_key = %(token)s AND s.expire_date > statement_timestamp()
