// The orders of whoever has signed in, account or guest, newest first.

import { orders, page } from "../api.js";
import { fill, h } from "../dom.js";
import { formatted } from "../money.js";
import { session } from "../store.js";
import { time } from "./order.js";

export async function ordersPage({ root, title }) {
  title("Orders");
  if (!session.get()) {
    return fill(root, h("h1", {}, "Your orders"), h("p", {}, h("a", { href: "/sign-in?next=/orders" }, "Sign in"), " to see your orders, or ", h("a", { href: "/find-order" }, "have an order's link sent to you"), "."));
  }
  let found;
  try {
    found = await orders();
  } catch (problem) {
    if (problem.status === 401) session.set(null);
    throw problem;
  }
  const list = h("ul", { class: "orders" });
  const more = h("div", { class: "more" });
  fill(root, h("h1", {}, "Your orders"), list, more, session.get().guest && forGuests());
  show(found.data);
  return null;

  function show({ results, next }) {
    list.append(...results.map(row));
    const button = h("button", { type: "button", class: "quiet-button", onclick: async () => show((await page(next)).data) }, "Show more");
    if (!list.children.length) fill(more, h("p", {}, "None yet. ", h("a", { href: "/" }, "See the products")));
    else fill(more, next && button);
  }
}

/** Others may use this browser, too: a guest has no password to sign out from. */
function forGuests() {
  const forget = () => {
    session.end();
    location.assign("/");
  };
  return h("p", { class: "quiet apart" }, "You see them as a guest, in this browser only. ", h("button", { type: "button", class: "link", onclick: forget }, "Forget me here"));
}

const row = (order) =>
  h(
    "li",
    {},
    h(
      "a",
      { href: `/orders/${order.id}`, class: "order-link" },
      h("span", {}, h("strong", {}, order.number), h("span", { class: "quiet" }, " ", time(order.placed_at))),
      h("span", { class: `badge ${order.status.toLowerCase()}` }, words(order.status)),
      h("span", { class: "amount" }, formatted(order.total)),
    ),
  );

const words = (status) => status.slice(0, 1) + status.slice(1).toLowerCase().replaceAll("_", " ");
