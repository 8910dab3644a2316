// What is shown where nothing is: the server answers such an address with the same words (404).

import { fill, h } from "../dom.js";

/** Fill the page; `heading` and `text` say what is missing. No search engine is to keep it. */
export function notHere({ root, title }, heading = "This page does not exist", text = "The address may be mistyped, or old.") {
  title(heading);
  document.head.append(h("meta", { name: "robots", content: "noindex" }));
  fill(
    root,
    h("h1", {}, heading),
    h("p", {}, text),
    h("p", { class: "buttons" }, h("a", { href: "/", class: "button" }, "See the products"), h("a", { href: "/orders" }, "Your orders"), h("a", { href: "/find-order" }, "Find an order")),
  );
}
