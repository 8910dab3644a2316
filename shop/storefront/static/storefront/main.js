// Routes: one shell for all addresses, a module for each page. Links stay ordinary links.

import { fill, h, say } from "./dom.js";
import { showAlert } from "./forms.js";
import { accountPage } from "./pages/account.js";
import { basketPage } from "./pages/basket.js";
import { checkoutPage } from "./pages/checkout.js";
import { findOrderPage } from "./pages/find-order.js";
import { notHere } from "./pages/not-here.js";
import { orderPage } from "./pages/order.js";
import { ordersPage } from "./pages/orders.js";
import { productPage } from "./pages/product.js";
import { productsPage } from "./pages/products.js";
import { newPasswordPage, resetPage, signInPage, verifyPage } from "./pages/sign-in.js";
import { basket, onChange, session } from "./store.js";

// A page gets { params, query, root, title, signal, go } and fills `root`; `signal` aborts when the shopper goes on.
const ROUTES = [
  [/^\/$/, productsPage],
  [/^\/products\/([^/]+)$/, productPage],
  [/^\/basket$/, basketPage],
  [/^\/checkout$/, checkoutPage],
  [/^\/orders$/, ordersPage],
  [/^\/orders\/([^/]+)$/, orderPage],
  [/^\/find-order$/, findOrderPage],
  [/^\/sign-in$/, signInPage],
  [/^\/account$/, accountPage],
  [/^\/account\/signup$/, signInPage],
  [/^\/account\/verify-email\/(.+)$/, verifyPage],
  [/^\/account\/password\/reset$/, resetPage],
  [/^\/account\/password\/reset\/key\/(.+)$/, newPasswordPage],
];
let leave = new AbortController();

async function show({ focus = true } = {}) {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const [params, page] = routeOf(location.pathname);
  const root = document.createElement("div");
  const context = { params, query: new URLSearchParams(location.search), root, title, signal, go };
  markCurrent();
  document.querySelector("meta[name=robots]")?.remove();
  try {
    await page(context);
  } catch (problem) {
    if (problem.name === "AbortError") return;
    if (!problem.code) console.error(problem);
    fill(root, h("h1", {}, "That did not work"), h("div", { role: "alert" }), h("p", {}, h("a", { href: "/" }, "See the products")));
    showAlert(root.querySelector("[role=alert]"), problem);
  }
  if (signal.aborted) return;
  document.getElementById("page").replaceChildren(root);
  // Whoever listens or uses the keyboard goes on where the new page begins.
  const heading = root.querySelector("h1");
  if (heading && focus) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }
  say(document.title);
}

function routeOf(path) {
  for (const [pattern, page] of ROUTES) {
    const found = pattern.exec(path);
    if (found) return [found.slice(1).map(decoded), page];
  }
  return [[], notHere];
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function title(text) {
  document.title = `${text} · Shop`;
}

/** Go to another page of the storefront; `replace` leaves no step back, `quietly` only writes the address down. */
function go(address, { replace = false, quietly = false } = {}) {
  history[replace ? "replaceState" : "pushState"]({}, "", address);
  if (quietly) return;
  window.scrollTo(0, 0);
  show();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
  if (link.origin !== location.origin || routeOf(link.pathname)[1] === notHere || link.getAttribute("href")[0] === "#") return;
  event.preventDefault();
  go(link.href);
});
window.addEventListener("popstate", () => show());

function markCurrent() {
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Show in the header how many pieces are in the basket, and who has signed in. */
function showHeader() {
  const count = basket.count();
  const place = document.getElementById("count");
  place.hidden = count === 0;
  fill(place, String(count), h("span", { class: "unseen" }, count === 1 ? " piece" : " pieces"));
  const known = session.get();
  const account = document.getElementById("account");
  const signedIn = known && !known.guest;
  account.textContent = signedIn ? "Account" : "Sign in";
  account.title = signedIn ? known.email : "";
  account.href = signedIn ? "/account" : "/sign-in";
  markCurrent();
}

onChange(showHeader);
showHeader();
show({ focus: false });
