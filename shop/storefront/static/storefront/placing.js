// An order is sent until it is answered, and never a second one for the same wish: what became of an earlier attempt is found
// out first. docs/how-to/storefront.md, "Placing an order".

import { cancelOrder, order as load, placeOrder } from "./api.js";
import { choose } from "./forms.js";
import { formatted } from "./money.js";
import { attempts, session } from "./store.js";

const CALLED_OFF = ["CANCELING", "CANCELED", "REFUNDING", "REFUNDED"];

/**
 * Order; return the order, or the earlier one that the shopper keeps instead, or null where they decided nothing. Raises: Problem.
 * `wish` is what they see and have chosen.
 */
export async function placeOnce(body, wish, options) {
  const others = attempts.left("order");
  if (others && !attempts.open("order")) {
    const kept = await settle(others, await resend(others));
    if (kept !== "over") return kept;
  }
  const attempt = attempts.beginOrder(body, wish);
  try {
    const { data } = await placeOrder(attempt.body, attempt.key, options);
    attempts.close("order");
    return data;
  } catch (problem) {
    if (!isReused(problem, attempt)) {
      attempts.refuse(problem);
      throw problem;
    }
    const kept = await settle(attempt, await earlierOf(attempt, problem));
    return kept === "over" ? placeOnce(body, wish, options) : kept;
  }
}

/** Send again, as it was, what has no answer; return the order. Raises: Problem. */
export async function finish(attempt) {
  try {
    const { data } = await placeOrder(attempt.body, attempt.key, { token: attempt.session?.token });
    attempts.close("order");
    return data;
  } catch (problem) {
    const earlier = isReused(problem, attempt) && (await earlierOf(attempt, problem));
    if (!earlier) {
      attempts.refuse(problem);
      throw problem;
    }
    attempts.close("order");
    return earlier;
  }
}

/** Whether another body of this attempt was the first to arrive. */
const isReused = (problem, attempt) => problem.code === "idempotency_key_reused" && attempt.before.length > 0;

/** Return the order that an earlier body of this attempt has placed; null where it was refused. Raises: Problem. */
async function earlierOf({ before, key, session: whose }, problem) {
  const token = whose?.token;
  const id = problem.member("order_id");
  if (id) return (await load(id, { token })).data;
  // The shop keeps an answer under this key: for whichever body gets that.
  for (const body of before) {
    const found = await answerFor(body, key, token);
    if (found !== "another") return found;
  }
  return null;
}

const resend = ({ body, key, session: whose }) => answerFor(body, key, whose?.token);

/** Return the order that this body has placed, null where it was refused, "another" where the key is another body's. */
async function answerFor(body, key, token) {
  try {
    return (await placeOrder(body, key, { token })).data;
  } catch (problem) {
    const id = problem.member?.("order_id");
    if (id) return (await load(id, { token })).data;
    if (problem.code === "idempotency_key_reused") return "another";
    if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) return null;
    throw problem;
  }
}

/** Have the shopper decide about an earlier order: return it where it is kept, "over" where it stands no more, null for neither. */
async function settle(attempt, earlier) {
  if (!earlier || earlier === "another" || CALLED_OFF.includes(earlier.status)) {
    attempts.close("order");
    return "over";
  }
  const chosen = await choose({
    title: "Your earlier order was placed",
    text: [
      `The shop received the order that you sent before you changed something: ${earlier.number}, ${formatted(earlier.total)}.`,
      "You can keep it, or cancel it and order what you see now.",
    ],
    choices: [["Cancel it and order this", "cancel", "quiet-button"], ["Keep the earlier order", "keep", ""]],
  });
  if (!chosen) return null;
  if (chosen === "cancel") await cancel(earlier, attempt);
  attempts.close("order");
  if (chosen === "cancel") return "over";
  if (attempt.session && session.get()?.guest !== false) session.set(attempt.session);
  return earlier;
}

async function cancel({ id }, { session: whose }) {
  const name = `cancel.${id}`;
  try {
    await cancelOrder(id, attempts.begin(name, {}), { token: whose?.token });
    attempts.close(name);
  } catch (problem) {
    if (problem.status >= 400 && problem.status < 500) attempts.close(name);
    throw problem;
  }
}
