// The price of a basket: asked anew as the shopper types.

import { quote } from "./api.js";
import { basket } from "./store.js";

const PAUSE_MS = 250;

/**
 * Return { ask, price, isOf, take }. `ask(wish)` waits for a pause in the typing, asks for a quote and calls `show(price, problem)`;
 * only the newest answer is shown. `price()` is the last one, `isOf(wish)` whether it is the price of that and of the basket as it
 * is now, with the shop's choice of a way to ship and without the codes that it refused. `take(wish, price)` shows a price that came otherwise.
 */
export function pricing({ show, signal }) {
  let timer = null;
  let asked = new AbortController();
  let price = null;
  let pricedWish = "";

  async function askNow(wish) {
    asked.abort();
    asked = new AbortController();
    const mine = asked.signal;
    const body = bodyOf(wish);
    try {
      const found = await priceOf(body, mine);
      if (mine.aborted || signal.aborted) return;
      take(body, found);
    } catch (problem) {
      if (problem.name === "AbortError" || mine.aborted || signal.aborted) return;
      price = null;
      show(null, problem);
    }
  }

  function take(body, found) {
    price = found;
    const refused = (found.refused_codes ?? []).map((each) => each.code.toUpperCase());
    const codes = (body.codes ?? []).filter((code) => !refused.includes(code.toUpperCase()));
    pricedWish = keyOf({ ...body, codes, shipping_option: found.shipping_option });
    show(price, null);
  }

  return {
    price: () => price,
    isOf: (wish) => price !== null && pricedWish === keyOf(bodyOf(wish)),
    take: (wish, found) => take(bodyOf(wish), found),
    ask(wish, { now = false } = {}) {
      clearTimeout(timer);
      if (now) return askNow(wish);
      timer = setTimeout(() => askNow(wish), PAUSE_MS);
      return null;
    },
  };
}

async function priceOf(body, signal) {
  // Nothing has a price before it is known where it goes: until then the sum of the lines is shown.
  if (!body.destination.country) {
    const total = basket.subtotal();
    return { lines: [], shipping_options: [], adjustments: [], subtotal: total, total, unavailable: [], refused_codes: [] };
  }
  return (await quote(body, { signal })).data;
}

const keyOf = ({ lines, destination, shipping_option: option, codes, vat_number: vat }) =>
  JSON.stringify([lines, destination, option ?? "", codes ?? [], vat ?? ""]);

function bodyOf(wish) {
  const body = { lines: basket.wanted(), destination: wish.destination };
  if (wish.shipping_option) body.shipping_option = wish.shipping_option;
  if (wish.codes.length) body.codes = wish.codes;
  if (wish.vat_number) body.vat_number = wish.vat_number;
  return body;
}
