// Buys something at the shop whose address and staff token are given; ends with 0 where everything went as it should.
import createClient from "openapi-fetch";
import type { paths, components } from "./schema.js";

declare const process: { argv: string[] };
const [, , baseUrl = "", staffToken = ""] = process.argv;
const account: components["schemas"]["SignUpRequest"] = { email: "grace@shop.example", password: "correct horse battery" };
const nobody = createClient<paths>({ baseUrl });

function expect(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`it does not hold that ${what}`);
}
const key = () => ({ "Idempotency-Key": crypto.randomUUID() });
const signedIn = (token: string) =>
  createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}`, "X-Session-Token": token } });

const signedUp = await nobody.POST("/_allauth/app/v1/auth/signup", { body: account });
expect(signedUp.data !== undefined, "a customer signs up");
const session = await nobody.POST("/_allauth/app/v1/auth/login", { body: account });
expect(session.data?.meta.session_token !== undefined, "a customer signs in");
const customer = signedIn(session.data.meta.session_token);

const products = await nobody.GET("/api/v1/products");
const product = products.data?.results[0];
expect(product !== undefined, "something is for sale");

// What may be left out is left out: line2, region, email, expected_total.
const order: components["schemas"]["PlaceOrderRequest"] = {
  lines: [{ sku: product.sku, quantity: 1 }],
  shipping_address: { name: "Grace", line1: "1 Harbor Street", city: "Lisbon", postal_code: "1100", country: "PT" },
  payment_method: "pm_card_visa",
};
const placed = await customer.POST("/api/v1/orders", {
  params: { header: key() },
  body: { ...order, expected_total: product.price },
});
expect(placed.data !== undefined, "an order is placed");
expect(placed.data.status === "CONFIRMED" && placed.data.cancel_reason === null, "it is confirmed");
const path = { order_id: placed.data.id };

const etag = placed.response.headers.get("ETag");
expect(etag !== null, "an order has a tag");
const unchanged = await customer.GET("/api/v1/orders/{order_id}", {
  params: { path, header: { "If-None-Match": etag } },
});
expect(unchanged.response.status === 304, "it has not changed");

const declined = await customer.POST("/api/v1/orders", {
  params: { header: key() },
  body: { ...order, payment_method: "pm_card_visa_chargeDeclined" },
});
expect(declined.error?.code === "card_declined", "a card is declined");
// The code decides which facts there are.
const declineCode: string = declined.error.facts.decline_code;
expect(declineCode !== "", "the bank says why");

const refunded = await signedIn(staffToken).POST("/api/v1/orders/{order_id}/refunds", {
  params: { path, header: key() },
  body: { amount: { amount_minor: 100, currency: product.price.currency }, reason: "a scratch" },
});
expect(refunded.response.status === 201, "staff give a part back");
const refunds = await customer.GET("/api/v1/orders/{order_id}/refunds", { params: { path } });
expect(refunds.data?.results[0]?.amount.amount_minor === 100, "the customer sees it");

const canceled = await customer.POST("/api/v1/orders/{order_id}/cancel", {
  params: { path, header: key() },
  body: {},
});
expect(canceled.data?.status === "REFUNDED", "the rest comes back");
const out = await customer.DELETE("/_allauth/app/v1/auth/session");
expect(out.error?.code === "not_authenticated", "the customer has signed out");
