// What the browser keeps between pages: who has signed in, the basket, and what has been sent and not answered yet.

import { formatted, sum, times } from "./money.js";

function read(storage, name, otherwise) {
  try {
    return JSON.parse(storage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function write(storage, name, value) {
  if (value === null) storage.removeItem(name);
  else storage.setItem(name, JSON.stringify(value));
}

const changed = new EventTarget();
/** Call back whenever the basket or the session changes, in this tab or another, until `signal` aborts. */
export function onChange(callback, signal) {
  changed.addEventListener("change", callback, { signal });
}
const tell = () => changed.dispatchEvent(new Event("change"));
window.addEventListener("storage", tell);

// --- who has signed in: an account or a guest, each with the token that the API gave -----------------------------------

export const session = {
  /** Return { token, email, guest } or null. */
  get: () => read(localStorage, "shop.session", null),
  set(value) {
    write(localStorage, "shop.session", value);
    tell();
  },
  /** Forget who shopped here, for whoever comes next: links of orders and what was typed go, too; the basket stays. */
  end() {
    orderTokens.forgetAll();
    const kept = Object.keys(sessionStorage).filter((name) => name.startsWith("shop."));
    kept.forEach((name) => write(sessionStorage, name, null));
    session.set(null);
  },
};

// --- access to one order, by the link of a mail --------------------------------------------------------------------------

export const orderTokens = {
  get: (id) => read(localStorage, "shop.order-tokens", {})[id] ?? "",
  keep(id, token) {
    const tokens = Object.entries(read(localStorage, "shop.order-tokens", {})).filter(([other]) => other !== id);
    write(localStorage, "shop.order-tokens", Object.fromEntries([...tokens.slice(-19), [id, token]]));
  },
  forgetAll: () => write(localStorage, "shop.order-tokens", null),
  forget(id) {
    const { [id]: _gone, ...others } = read(localStorage, "shop.order-tokens", {});
    write(localStorage, "shop.order-tokens", others);
  },
};

// --- the basket: [{ sku, name, price, image, quantity }]; prices are for showing, the shop's own decide ------------------

export const basket = {
  lines: () => read(localStorage, "shop.basket", []),
  count: () => basket.lines().reduce((count, line) => count + line.quantity, 0),
  currency: () => basket.lines()[0]?.price.currency ?? null,
  set(lines) {
    write(localStorage, "shop.basket", lines.length ? lines : null);
    tell();
  },
  add(product, quantity) {
    const lines = basket.lines();
    const line = lines.find((each) => each.sku === product.sku);
    const { sku, name, price } = product;
    const image = product.images?.[0] ?? null;
    if (line) Object.assign(line, { name, price, image, quantity: line.quantity + quantity });
    else lines.push({ sku, name, price, image, quantity });
    basket.set(lines);
  },
  change(sku, quantity) {
    const lines = basket.lines().map((line) => (line.sku === sku ? { ...line, quantity } : line));
    basket.set(lines.filter((line) => line.quantity > 0));
  },
  /** Take out what was ordered; what was put in meanwhile, perhaps in another tab, stays. */
  takeOut(ordered) {
    const quantities = Object.fromEntries(ordered.map(({ sku, quantity }) => [sku, quantity]));
    const left = basket.lines().map((line) => ({ ...line, quantity: line.quantity - (quantities[line.sku] ?? 0) }));
    basket.set(left.filter((line) => line.quantity > 0));
  },
  /** Return the lines as the API takes them. */
  wanted: () => basket.lines().map(({ sku, quantity }) => ({ sku, quantity })),
  /** Return the sum of the lines as last seen: what a shop without shipping, tax and codes charges. */
  subtotal: () => sum(basket.lines().map((line) => times(line.price, line.quantity))),
  shownSubtotal: () => (basket.lines().length ? formatted(basket.subtotal()) : ""),
};

// --- attempts: what has been sent under which Idempotency-Key ------------------------------------------------------------
// A double click, a reload or a lost answer sends the same body with the same key, and so never orders or pays twice.

export const attempts = {
  /** Return what has been sent under this name and not answered yet; null without that, or of another shopper. */
  open(name) {
    const found = attempts.left(name);
    return found && found.by === by() ? found : null;
  },
  /** The same, whoever sent it: { key, body, by, session }, and for an order { wish, before, unsure, refused }. */
  left: (name) => read(sessionStorage, `shop.attempt.${name}`, null),
  /** Return the key for this body: that of the open attempt where it sent the same, else a new one. It stays open until `close`. */
  begin(name, body) {
    const open = attempts.open(name);
    return (open && isSame(open.body, body) ? open : keep(name, { key: newKey(), body })).key;
  },
  /**
   * Return the attempt for an order, of which there is never a second one while the first has no answer. `wish` is what the
   * shopper sees and has chosen: while that is the same, so is the body. Another body goes by the same key: whichever of the two
   * arrives first is the order, and the shop refuses the other.
   */
  beginOrder(body, wish) {
    const open = attempts.open("order");
    if (!open) return keep("order", { key: newKey(), body, wish, before: [] });
    if (!open.refused && isSame(open.wish, wish)) return keep("order", { ...open, unsure: true });
    return keep("order", { ...open, body, wish, unsure: true, refused: false, before: [...open.before, open.body] });
  },
  /**
   * Note a refused order. It is over where it was the only thing sent, or where the shop keeps this answer under its key
   * (402, 409). Else what was sent before has no answer yet.
   */
  refuse(problem) {
    const open = attempts.left("order");
    const isAnswer = problem.status >= 400 && problem.status < 500 && problem.status !== 429;
    if (!open || !(isAnswer || problem.member("order_id"))) return;
    if (!open.unsure || [402, 409].includes(problem.status) || problem.member("order_id")) attempts.close("order");
    else write(sessionStorage, "shop.attempt.order", { ...open, refused: true });
  },
  close: (name) => write(sessionStorage, `shop.attempt.${name}`, null),
};

function keep(name, attempt) {
  const found = { ...attempt, by: by(), session: session.get() };
  write(sessionStorage, `shop.attempt.${name}`, found);
  return found;
}

const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// Keys are the shopper's own: sent by somebody else, the same key would be another order. An account has more than one token.
function by() {
  const known = session.get();
  return known ? (known.guest ? known.token : known.email) : "";
}

const newKey = () => crypto.randomUUID?.() ?? randomKey();

// randomUUID exists in secure contexts only, and a shop that is tried on a local network is not one.
function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// --- from page to page, for this tab ---------------------------------------------------------------------------------------

/** What one page leaves for the next one to tell, once: a Problem, or a text. */
export const notice = {
  left: null,
  leave(told) {
    notice.left = told;
  },
  take() {
    const told = notice.left;
    notice.left = null;
    return told;
  },
};

/** What was typed at checkout. */
export const draft = {
  get: () => read(sessionStorage, "shop.checkout", {}),
  set: (value) => write(sessionStorage, "shop.checkout", value),
};
