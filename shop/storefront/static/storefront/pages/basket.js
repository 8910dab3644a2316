// The basket: kept in the browser. Prices are shown as last seen; the checkout asks the shop.

import { fill, h, say } from "../dom.js";
import { formatted, times } from "../money.js";
import { basket, onChange } from "../store.js";
import { picture } from "./products.js";

const AT_ONCE = 10;

export function basketPage({ root, title, signal }) {
  title("Basket");
  const show = () => {
    if (!signal.aborted) fill(root, h("h1", { tabindex: -1 }, "Basket"), content());
  };
  onChange(show, signal);
  show();
}

function content() {
  const lines = basket.lines();
  if (!lines.length) return h("p", {}, "It is empty. ", h("a", { href: "/" }, "See the products"));
  return [
    h("ul", { class: "lines" }, lines.map(row)),
    h("p", { class: "sum" }, h("span", {}, "Sum"), h("strong", {}, basket.shownSubtotal())),
    h("p", { class: "quiet" }, "Delivery and taxes are shown at checkout, before you pay."),
    h("p", {}, h("a", { href: "/checkout", class: "button main" }, "Go to checkout")),
  ];
}

function row(line) {
  const most = Math.max(AT_ONCE, line.quantity);
  const choose = (event) => {
    const quantity = Number(event.target.value);
    basket.change(line.sku, quantity);
    say(`${line.name}: ${quantity}. Sum ${basket.shownSubtotal()}`);
    document.getElementById(`quantity-${line.sku}`)?.focus();
  };
  const remove = () => {
    basket.change(line.sku, 0);
    say(`${line.name} is no longer in your basket`);
    document.querySelector("h1").focus();
  };
  const options = Array.from({ length: most }, (_, index) =>
    h("option", { value: index + 1, selected: index + 1 === line.quantity }, String(index + 1)),
  );
  return h(
    "li",
    { class: "line" },
    picture(line),
    h("div", { class: "what" }, h("a", { href: `/products/${encodeURIComponent(line.sku)}` }, line.name), h("span", { class: "quiet" }, `${formatted(line.price)} each`)),
    h("select", { id: `quantity-${line.sku}`, "aria-label": `Quantity of ${line.name}`, onchange: choose }, options),
    h("strong", { class: "amount" }, formatted(times(line.price, line.quantity))),
    h("button", { type: "button", class: "link", "aria-label": `Remove ${line.name}`, onclick: remove }, "Remove"),
  );
}
