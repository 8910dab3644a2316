// The price of a basket: asked anew as the shopper types.

import { quote } from "./api.js";
import { basket } from "./store.js";

const PAUSE_MS = 250;

/**
 * Return { ask, price }. `ask(wish)` waits for a pause in the typing, asks for a quote and calls `show(price, problem)`;
 * only the newest answer is shown. `price()` is the last one.
 */
export function pricing({ show, signal }) {
  let timer = null;
  let asked = new AbortController();
  let price = null;

  async function askNow(wish) {
    asked.abort();
    asked = new AbortController();
    const mine = asked.signal;
    try {
      const found = await priceOf(wish, mine);
      if (mine.aborted || signal.aborted) return;
      price = found;
      show(price, null);
    } catch (problem) {
      if (problem.name === "AbortError" || mine.aborted || signal.aborted) return;
      price = null;
      show(null, problem);
    }
  }

  return {
    price: () => price,
    ask(wish, { now = false } = {}) {
      clearTimeout(timer);
      if (now) return askNow(wish);
      timer = setTimeout(() => askNow(wish), PAUSE_MS);
      return null;
    },
  };
}

async function priceOf(wish, signal) {
  // Nothing has a price before it is known where it goes: until then the sum of the lines is shown.
  if (!wish.destination.country) {
    const total = basket.subtotal();
    return { lines: [], shipping_options: [], adjustments: [], subtotal: total, total, unavailable: [], refused_codes: [] };
  }
  const body = { lines: basket.wanted(), destination: wish.destination };
  if (wish.shipping_option) body.shipping_option = wish.shipping_option;
  if (wish.codes.length) body.codes = wish.codes;
  return (await quote(body, { signal })).data;
}
