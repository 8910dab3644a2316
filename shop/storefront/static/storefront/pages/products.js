// The front page: what is for sale, with search, filter and order in the address, so that a list can be sent to a friend.

import { categories, page, products } from "../api.js";
import { fill, h, say } from "../dom.js";
import { formatted } from "../money.js";

const ORDERS = [
  ["", "Featured"],
  ["price", "Price, low to high"],
  ["-price", "Price, high to low"],
  ["name", "Name"],
  ["newest", "Newest"],
];

export async function productsPage({ root, query, title, signal, go }) {
  title("Products");
  const asked = (name) => query.get(name) ?? "";
  const wanted = { limit: 24, search: asked("search"), category: asked("category"), sort: asked("sort"), in_stock: asked("in_stock") };
  const [found, kinds] = await Promise.all([products(wanted, { signal }), categoriesIfAny()]);
  const grid = h("ul", { class: "grid" });
  const more = h("div", { class: "more" });
  const filters = kinds && controls({ wanted, kinds, go });
  fill(root, h("h1", {}, wanted.search ? `“${wanted.search}”` : wanted.category || "Products"), filters, grid, more);
  show(found.data);

  function show({ results, next }) {
    grid.append(...results.map(tile));
    if (!grid.children.length) fill(more, h("p", { class: "quiet" }, "Nothing found. ", h("a", { href: "/" }, "Show everything")));
    else fill(more, next && h("button", { type: "button", class: "quiet-button", onclick: () => showNext(next) }, "Show more"));
  }

  async function showNext(address) {
    const before = grid.children.length;
    show((await page(address)).data);
    say(`${grid.children.length - before} more products`);
    grid.children[before]?.querySelector("a").focus();
  }
}

let known;
/** Return the categories; null of a shop that has none to choose from. Asked once a visit. */
async function categoriesIfAny() {
  known ??= categories().then(
    ({ data }) => data.results,
    (problem) => {
      if (problem.status === 404) return null;
      known = undefined;
      throw problem;
    },
  );
  return known;
}

function controls({ wanted, kinds, go }) {
  const search = h("input", { type: "search", name: "search", value: wanted.search, placeholder: "Search products", "aria-label": "Search products", maxlength: 100 });
  const sort = h("select", { name: "sort", "aria-label": "Sort by" }, ORDERS.map(([value, name]) => h("option", { value, selected: value === wanted.sort }, name)));
  const inStock = h("input", { type: "checkbox", name: "in_stock", value: "true", checked: wanted.in_stock === "true" });
  const address = (changes) => {
    const asked = { ...wanted, search: search.value.trim(), sort: sort.value, in_stock: inStock.checked ? "true" : "", ...changes };
    delete asked.limit;
    const given = Object.entries(asked).filter(([, value]) => value);
    return given.length ? `/?${new URLSearchParams(given)}` : "/";
  };
  const ask = () => go(address({}));
  sort.addEventListener("change", ask);
  inStock.addEventListener("change", ask);
  const chip = (name, label) =>
    h("a", { href: address({ category: name }), class: "chip", "aria-current": name === wanted.category && "true" }, label);
  return h(
    "form",
    { class: "filters", role: "search", onsubmit: (event) => { event.preventDefault(); ask(); } },
    h("div", { class: "searching" }, search, h("button", { type: "submit" }, "Search")),
    h("nav", { class: "chips", "aria-label": "Categories" }, chip("", "All"), kinds.map((kind) => chip(kind.name, kind.name))),
    h("div", { class: "sorting" }, h("label", { class: "check" }, inStock, "In stock only"), sort),
  );
}

function tile(product) {
  const address = `/products/${encodeURIComponent(product.sku)}`;
  const soldOut = isSoldOut(product);
  return h(
    "li",
    { class: "tile" },
    h("a", { href: address }, picture(product, { lazy: true }), h("span", { class: "name" }, product.name)),
    h("span", { class: "price" }, formatted(product.price)),
    h("span", { class: soldOut ? "stock none" : "stock" }, soldOut || product.availability === "few_left" ? availability(product) : ""),
  );
}

/** Return a product's first picture, or a tile with its initial where it has none. */
export function picture(product, { lazy = false } = {}) {
  const [image] = product.images ?? [product.image].filter(Boolean);
  if (!image) return h("span", { class: "picture blank", "aria-hidden": "true" }, product.name.slice(0, 1));
  return h("img", { class: "picture", src: image.url, alt: image.alt ?? "", width: 480, height: 480, loading: lazy && "lazy" });
}

export const isSoldOut = (product) => product.availability === "sold_out" || product.available === 0;

/** Say in words how many there are. */
export function availability(product) {
  if (isSoldOut(product)) return "Sold out";
  return product.availability === "few_left" ? `Only ${product.available} left` : "In stock";
}
