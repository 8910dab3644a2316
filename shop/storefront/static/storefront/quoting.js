// The price of a basket: asked anew as the shopper types. A shop without quotes charges the sum of the lines.

import { Problem, quote } from "./api.js";
import { basket } from "./store.js";

const PAUSE_MS = 250;
let offersQuotes = true;

/**
 * Return { ask, price }. `ask(wish)` waits for a pause in the typing, asks for a quote and calls `show(price, problem)`;
 * only the newest answer is shown. `price()` is the last one: the API's quote, or { total, subtotal } from the basket.
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
    /** Take a price that the API has sent by itself: the new quote of a 409. */
    take(found) {
      price = found;
      show(price, null);
    },
    ask(wish, { now = false } = {}) {
      clearTimeout(timer);
      if (now) return askNow(wish);
      timer = setTimeout(() => askNow(wish), PAUSE_MS);
      return null;
    },
  };
}

async function priceOf(wish, signal) {
  const lines = basket.wanted();
  if (offersQuotes && wish.destination.country) {
    try {
      const body = { lines, destination: wish.destination };
      if (wish.shipping_option) body.shipping_option = wish.shipping_option;
      if (wish.codes.length) body.codes = wish.codes;
      return { takesCodes: true, ...(await quote(body, { signal })).data };
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.status !== 404) throw problem;
      offersQuotes = false;
    }
  }
  const total = basket.subtotal();
  return { lines: [], shipping_options: [], adjustments: [], subtotal: total, total, unavailable: [], refused_codes: [], takesCodes: offersQuotes };
}

/** Return whether a quote is so old that the shop may price anew. */
export const isOver = (price) => Boolean(price?.valid_until) && Date.parse(price.valid_until) <= Date.now();
