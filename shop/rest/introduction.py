"""What a storefront must know before its first call: the introduction of the API's description, and its chapters."""

INTRODUCTION = """\
Everything that a shop's storefront needs: products, prices, orders, payment, receipts. The examples are what the shop
answered when it was asked. `/problems/` explains each problem.

## Try it on this page

1. Send `make_guest` with an email address ("Try it out", "Execute"), or `sign_in` with the password of an account.
2. Copy the token of the answer: `token` of a guest, `meta.session_token` of an account.
3. Press "Authorize" and paste it at `bearerToken`; for the operations of sign-in at `sessionToken`, too. The page keeps it
   until you press "Logout".
4. Send `place_order`. For a second order change the `Idempotency-Key`.

## Who calls

| who | gets a token from | sends it as |
| --- | --- | --- |
| a guest | `POST /api/v1/guests`, with an email address: `token` | `Authorization: Bearer <token>` to `/api/v1` |
| an account | `POST /_allauth/app/v1/auth/login` or `/auth/signup`: `meta.session_token` | `Authorization: Bearer <token>` to `/api/v1`, `X-Session-Token: <token>` to `/_allauth/app/v1` |
| the holder of an order's link | the mail about the order: `/orders/<id>#access=<token>` | `X-Order-Token: <token>`, for that order alone |

Products and quotes need no token. Without a valid one, everything else answers 401. Tokens travel in headers, never in
cookies, and only over HTTPS.

## Placing an order

Ask `POST /api/v1/quotes` for the price, show it, and send `POST /api/v1/orders` with the total that was shown as
`expected_total`. After an answer, do what `next_action` of the order says:

| `next_action` | what to do |
| --- | --- |
| `provide_payment_method` | make a token of the card in the browser and send it to `POST .../payment`, before `pay_before` |
| `authenticate` | pass `payment.client_secret` to the provider's script, then `POST .../payment` with an empty object |
| `wait` | read the order again after `Retry-After` seconds, one second where it is missing |
| `none` | nothing is left to do; `status` says how the order stands |

202 means that the order is under way: read it at `Location` with `If-None-Match`, which costs little while nothing has
changed.

## Idempotency keys

Placing, paying, canceling and refunding an order take an `Idempotency-Key`: a fresh UUID for each intention, and the same
one on every retry of it. The same key with the same body does the thing once, however often it is sent; an answer that is
given again has `Idempotent-Replayed: true`. The same key with another body is refused (422 `idempotency_key_reused`). A key
belongs to one customer and is kept for 48 hours, unless the shop sets another time. Where no answer comes, send the same
request again with the same key.

## Money

An amount is a whole number of minor units with its currency, never a fraction: `{"amount_minor": 2450, "currency": "EUR"}`
is 24.50 euros. `exponent` says how many decimals the currency has (EUR 2, JPY 0, KWD 3). `formatted` is the same amount as a
string (`"24.50"`), for people.

## Problems

Every refusal is `application/problem+json` (RFC 9457). Decide by `code`, which is stable; `title` and `detail` are for
humans. `facts` holds what the code tells in numbers and names. `errors` names each member of the request that is wrong, by a
JSON pointer. `trace_id` names the request in the shop's logs: tell it to the shop when you ask for help.

## Pages of a list

Lists answer `results`, `next` and `previous`: addresses of the neighboring pages, or null. Follow them as they are; the
`Link` header has the same. `limit` asks for 1 to 100 on a page. Pages stay consistent while rows are added.

## Limits

`RateLimit-Limit`, `-Remaining` and `-Reset` say how many requests a minute are allowed, and how many are left. Whoever sends
more is answered 429 `throttled`. 429 and 503 say by `Retry-After` when to send the same request again, with the same key. A body
has at most 64 KiB.

## Versions

`/api/v1` stays compatible: members, codes of problems and operations are added, and none is removed or changes its meaning.
Ignore members that you do not know. What cannot stay compatible will be `/api/v2`, beside this one.

## Browsers, and pages that mails lead to

Pages of other origins may call the API if the shop lists their origin (`CORS_ALLOWED_ORIGINS`).

Mails about accounts link to two pages that the storefront serves below its own address (`STOREFRONT_URL`):
`/account/verify-email/<key>`, which sends the key to `POST /_allauth/app/v1/auth/email/verify`, and
`/account/password/reset/key/<key>`, which sends it with a new password to `POST /_allauth/app/v1/auth/password/reset`.
The key in the link may be percent-encoded: decode it before you send it.
"""
TAGS: list[dict[str, str]] = [
    {
        "name": "products",
        "description": "What is for sale, for everybody: lists, searches, single products, categories.",
    },
    {
        "name": "quotes",
        "description": "What an order would cost, with shipping, discounts and taxes. Nothing is reserved.",
    },
    {"name": "guests", "description": "Ordering without an account, and finding an order again without one."},
    {
        "name": "orders",
        "description": "Placing, paying, following, canceling and refunding orders, and their receipts.",
    },
    {
        "name": "sign-in",
        "description": "Accounts: signing up, in and out, email addresses and passwords. These take the token as `X-Session-Token`.",
    },
]
