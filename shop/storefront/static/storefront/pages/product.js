// One product: pictures, description, its variants, and the way into the basket.

import { product as load } from "../api.js";
import { fill, h, say } from "../dom.js";
import { alertPlace, confirmed, showAlert } from "../forms.js";
import { formatted } from "../money.js";
import { basket } from "../store.js";
import { notHere } from "./not-here.js";
import { availability, isSoldOut, picture } from "./products.js";

const AT_ONCE = 10;

export async function productPage(context) {
  const { root, params, title, signal } = context;
  const found = await load(params[0], { signal }).catch((problem) => {
    if (problem.status !== 404) throw problem;
    return null;
  });
  if (!found) return notHere(context, "There is no such product", "It may not be sold any more.");
  const product = found.data;
  title(product.name);
  const alerts = alertPlace();
  const soldOut = isSoldOut(product);
  const most = Math.max(1, Math.min(AT_ONCE, product.available));
  const quantity = h(
    "select",
    { id: "quantity", name: "quantity" },
    Array.from({ length: most }, (_, index) => h("option", { value: index + 1 }, String(index + 1))),
  );
  const done = h("p", { class: "done", hidden: true }, "In your basket. ", h("a", { href: "/basket" }, "See the basket"));

  async function add(event) {
    event.preventDefault();
    const currency = basket.currency();
    if (currency && currency !== product.price.currency) {
      const agreed = await confirmed({
        title: "Another currency",
        text: `Your basket is in ${currency}, and this is sold in ${product.price.currency}. One order has one currency.`,
        yes: "Start a new basket with this",
        no: "Keep my basket",
      });
      if (!agreed) return;
      basket.set([]);
    }
    basket.add(product, Number(quantity.value));
    done.hidden = false;
    say(`${product.name} is in your basket`);
  }

  const [first, ...others] = product.images ?? [];
  return fill(
    root,
    h("p", { class: "crumbs" }, h("a", { href: "/" }, "Products"), product.category && [" / ", h("a", { href: `/?category=${encodeURIComponent(product.category)}` }, product.category)]),
    h(
      "article",
      { class: "product" },
      h("div", { class: "pictures" }, picture({ ...product, images: first ? [first] : [] }), others.map((image) => picture({ name: product.name, images: [image] }, { lazy: true }))),
      h(
        "div",
        { class: "about" },
        h("h1", {}, product.name),
        h("p", { class: "price big" }, formatted(product.price)),
        h("p", { class: soldOut ? "stock none" : `stock ${product.availability ?? ""}` }, availability(product)),
        product.description && h("div", { class: "text" }, product.description.split(/\n\s*\n/).map((part) => h("p", {}, part))),
        variants(product),
        h(
          "form",
          { class: "buy", onsubmit: (event) => add(event).catch((problem) => showAlert(alerts, problem)) },
          !soldOut && [
            h("div", { class: "field short" }, h("label", { for: "quantity" }, "Quantity"), quantity),
            h("button", { type: "submit", class: "main" }, "Add to basket"),
          ],
        ),
        done,
        alerts,
      ),
    ),
  );
}

/** Return links to the products of the same group: each is a product of its own, with its own address. */
function variants(product) {
  const siblings = product.variants ?? [];
  if (siblings.length < 2) return null;
  const names = Object.keys(product.options ?? {});
  return h(
    "nav",
    { class: "variants", "aria-label": `Choose ${names.join(" and ") || "a variant"}` },
    h("p", { class: "label" }, names.map(capitalized).join(", ") || "Variants"),
    h(
      "ul",
      { class: "chips" },
      siblings.map((each) => {
        const label = Object.values(each.options ?? {}).join(", ") || each.name;
        const soldOut = isSoldOut(each);
        return h(
          "li",
          {},
          h(
            "a",
            { href: `/products/${encodeURIComponent(each.sku)}`, class: soldOut ? "chip gone" : "chip", "aria-current": each.sku === product.sku && "true" },
            label,
            soldOut && h("span", { class: "unseen" }, ", sold out"),
          ),
        );
      }),
    ),
  );
}

const capitalized = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
