"""What a storefront must know before its first call: the introduction of the API's description, in Markdown."""

INTRODUCTION = """\
**Signing in.** `POST /_allauth/app/v1/auth/login` gives `meta.session_token`. Send it as `Authorization: Bearer <token>`
to `/api/v1`, and as `X-Session-Token: <token>` to `/_allauth/app/v1`. Products are read without it.

**Guests.** `POST /api/v1/guests` takes an email address and gives a token, which is sent to `/api/v1` as a sign-in's is:
it places orders and sees them. It does nothing at `/_allauth`.

**Pages of the storefront.** Mails about accounts link to two pages that the storefront serves below its own address
(`STOREFRONT_URL`): `/account/verify-email/<key>`, which sends the key to `POST /_allauth/app/v1/auth/email/verify`, and
`/account/password/reset/key/<key>`, which sends it with a new password to `POST /_allauth/app/v1/auth/password/reset`.
The key in the link may be percent-encoded: decode it before you send it.

**Placing an order.** Each call that changes something takes an `Idempotency-Key`: a fresh UUID for each intention, and the
same one on every retry of it. After an answer, do what `next_action` of the order says:

- `provide_payment_method`: make a token of the card in the browser and send it to `POST .../payment`.
- `authenticate`: pass `payment.client_secret` to the provider's script, then `POST .../payment` with an empty object.
- `wait`: read the order again after `Retry-After` seconds, one second where it is missing.
- `none`: nothing is left to do; `status` says how the order stands.

**Polling.** 202 means that the order is under way: read it at `Location` with `If-None-Match`, which costs little while
nothing has changed. 429 and 503 say by `Retry-After` when to send the same request again, with the same key.

**Problems.** Every refusal is `application/problem+json` (RFC 9457). Decide by `code`; `detail` is for humans.

**Browsers.** Pages of other origins may call the API where the shop lists their origin (`CORS_ALLOWED_ORIGINS`). Tokens
travel in headers, never in cookies.
"""
