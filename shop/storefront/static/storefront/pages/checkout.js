// The checkout: one form, priced anew as the shopper types, sent once however often the button is pressed.

import { Problem, becomeGuest, order as load } from "../api.js";
import { cardChooser, keepSecret } from "../cards.js";
import { fill, h, say } from "../dom.js";
import { alertPlace, busily, explain, forget, isComplete, showAlert } from "../forms.js";
import { formatted, labelOf } from "../money.js";
import { finish, placeOnce } from "../placing.js";
import { pricing } from "../quoting.js";
import { attempts, basket, draft, notice, session } from "../store.js";
import { browserLocale, contact, deliveryAddress, extras, given, typedInto, valueOf } from "./checkout-fields.js";
import { picture } from "./products.js";

// A price that changed while nothing else did is asked for again so often, at most, before the shopper is told.
const TRIES = 3;

export async function checkoutPage({ root, query, title, signal, go }) {
  title("Checkout");
  if (attempts.left("order") && !query.has("change")) return finishEarlierAttempt({ root, go });
  if (!basket.lines().length) return fill(root, h("h1", {}, "Checkout"), h("p", {}, "Your basket is empty. ", h("a", { href: "/" }, "See the products")));

  const kept = draft.get();
  const typedBefore = kept.fields ?? {};
  const wish = { codes: kept.codes ?? [], shipping_option: kept.shipping_option ?? "" };
  let locale = browserLocale();
  const alerts = alertPlace();
  const options = h("div", { class: "options", id: "shipping-options" });
  const summary = h("div", { class: "summing" });
  const pay = h("button", { type: "submit", class: "main wide" }, "Order and pay");
  const payment = h("div", {});
  const card = cardChooser(kept.card);
  const codeAlerts = alertPlace();
  const code = h("input", { type: "text", id: "code", name: "code", value: typedBefore.code ?? "", autocomplete: "off", autocapitalize: "characters", maxlength: 64 });
  const apply = h("button", { type: "button", class: "quiet-button", onclick: addCode }, "Apply");
  const codes = h("div", { class: "code" }, h("label", { for: "code" }, "Discount code"), h("div", { class: "searching" }, code, apply), codeAlerts);
  const prices = pricing({ show: showPrice, signal });
  let alertIsOfPrice = false;
  // The total that the button names: nothing is ordered for another one.
  let shown = null;

  const form = h(
    "form",
    { class: "checkout", novalidate: true, onsubmit: (event) => { event.preventDefault(); order(); }, oninput: typed, onchange: chosen },
    h(
      "div",
      { class: "asked" },
      contact(typedBefore),
      deliveryAddress(typedBefore),
      extras(typedBefore),
      h("fieldset", { id: "delivery", hidden: true }, h("legend", {}, "Delivery"), options),
      payment,
    ),
    h(
      "aside",
      { class: "summary", "aria-label": "Your order" },
      h("h2", {}, "Your order"),
      summary,
      codes,
      alerts,
      pay,
      h("p", { class: "hint" }, "You pay now. You may cancel until the parcel leaves."),
    ),
  );
  code.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      addCode();
    }
  });
  fill(payment, card.element);
  fill(root, h("h1", {}, "Checkout"), form);
  // The form is shown as soon as it can be filled in; its price follows.
  prices.ask(wished(), { now: true });

  function wished() {
    const destination = {};
    for (const name of ["country", "region", "postal_code"]) {
      const value = valueOf(form, `shipping_address/${name}`);
      if (value || name === "country") destination[name] = value;
    }
    return { ...wish, destination, vat_number: valueOf(form, "vat_number") };
  }

  function typed(event) {
    const { name, value } = event.target;
    if (name === "shipping_option") {
      wish.shipping_option = value;
      prices.ask(wished(), { now: true });
    } else if (/^shipping_address\/(country|region|postal_code)$/.test(name)) prices.ask(wished());
    keepDraft();
  }

  /** A number of which half is typed is not one yet: its price is asked for once it is left. */
  function chosen(event) {
    if (event.target.name === "vat_number") prices.ask(wished(), { now: true });
    keepDraft();
  }

  function keepDraft() {
    draft.set({ fields: typedInto(form), card: form.elements.payment_method?.value, ...wish });
  }

  function addCode() {
    const given = code.value.trim();
    if (!given) return code.focus();
    if (!wish.codes.some((each) => each.toUpperCase() === given.toUpperCase())) wish.codes.push(given);
    code.value = "";
    keepDraft();
    return prices.ask(wished(), { now: true });
  }

  function dropCode(given) {
    wish.codes = wish.codes.filter((each) => each !== given);
    keepDraft();
    prices.ask(wished(), { now: true });
  }

  function showPrice(price, problem) {
    forget(codeAlerts);
    if (problem) {
      pay.disabled = false;
      shown = null;
      fill(pay, "Order and pay");
      if (problem.code === "shipping_option_not_offered" && wish.shipping_option) {
        // It was for another place: the shop chooses again.
        wish.shipping_option = "";
        prices.ask(wished(), { now: true });
        return;
      }
      if (problem.code === "no_shipping_there") {
        document.getElementById("delivery").hidden = false;
        fill(options, h("p", { class: "alert" }, problem.detail || problem.message));
      } else {
        explain(toForm(problem), alerts, form, { focus: false });
        alertIsOfPrice = true;
      }
      fill(summary, lines(null), total(basket.subtotal(), "Subtotal without delivery and taxes"));
      return;
    }
    // What an order was refused for stays until the next attempt.
    if (alertIsOfPrice) forget(alerts, form);
    alertIsOfPrice = false;
    showOptions(price);
    showRefusedCodes(price);
    showUnavailable(price);
    fill(summary, lines(price), price.adjustments.map(adjustment), total(price.total, price.id ? "Total" : "Subtotal without delivery"));
    const free = price.total.amount_minor === 0;
    payment.hidden = free;
    shown = price.total;
    fill(pay, free ? "Order" : `Order and pay ${formatted(price.total)}`);
    say(`Total ${formatted(price.total)}`);
  }

  function showOptions(price) {
    const offered = price.shipping_options;
    document.getElementById("delivery").hidden = offered.length === 0;
    const chosen = price.shipping_option ?? "";
    const focused = options.contains(document.activeElement);
    fill(
      options,
      offered.map((option) =>
        h(
          "label",
          { class: "option" },
          h("input", { type: "radio", name: "shipping_option", value: option.code, checked: option.code === chosen }),
          h("span", {}, h("strong", {}, option.name), h("span", { class: "quiet" }, ` ${days(option)}`)),
          h("span", { class: "amount" }, option.price.amount_minor ? formatted(option.price) : "Free"),
        ),
      ),
    );
    if (focused) options.querySelector("input:checked")?.focus();
    wish.shipping_option = chosen;
  }

  function showRefusedCodes(price) {
    if (!price.refused_codes?.length) return;
    const refused = price.refused_codes.map((each) => each.code.toUpperCase());
    wish.codes = wish.codes.filter((each) => !refused.includes(each.toUpperCase()));
    keepDraft();
    fill(codeAlerts, price.refused_codes.map((each) => h("p", { class: "error" }, `${each.code}: ${each.detail}`)));
  }

  function showUnavailable(price) {
    if (!price.unavailable?.length) return;
    alertIsOfPrice = Boolean(price.total);
    const names = Object.fromEntries(basket.lines().map((line) => [line.sku, line.name]));
    const told = price.unavailable.map(({ sku, available }) =>
      available ? `${names[sku] ?? sku}: only ${available} left` : `${names[sku] ?? sku} is sold out`,
    );
    const rest = price.unavailable.some(({ available }) => available) || price.unavailable.length < basket.lines().length;
    const take = () => {
      forget(alerts);
      for (const { sku, available } of price.unavailable) basket.change(sku, available ?? 0);
      if (!basket.lines().length) return go("/basket");
      pay.focus();
      return prices.ask(wished(), { now: true });
    };
    fill(
      alerts,
      h("div", { class: "alert" }, h("strong", {}, rest ? "Not everything is in stock" : "Sold out"), told.map((text) => h("p", {}, text)), h("button", { type: "button", class: "quiet-button", onclick: take }, rest ? "Take what is in stock" : "Empty the basket")),
    );
  }

  function lines(price) {
    const priced = Object.fromEntries((price?.lines ?? []).map((line) => [line.sku, line]));
    return h(
      "ul",
      { class: "lines small" },
      basket.lines().map((line) =>
        h(
          "li",
          { class: "line" },
          picture(line),
          h("span", { class: "what" }, line.name, h("span", { class: "quiet" }, `${line.quantity} × ${formatted(priced[line.sku]?.unit_price ?? line.price)}`)),
          priced[line.sku] && h("span", { class: "amount" }, formatted(priced[line.sku].line_total)),
        ),
      ),
    );
  }

  function adjustment(told) {
    const { kind, code: given, amount, included } = told;
    const words = labelOf(told);
    const applied = kind === "discount" && wish.codes.find((each) => each.toUpperCase() === given);
    return h(
      "p",
      { class: included ? "sum included" : "sum" },
      h("span", {}, included ? `including ${words}` : words, applied && h("button", { type: "button", class: "link", "aria-label": `Remove the code ${given}`, onclick: () => dropCode(applied) }, "Remove")),
      h("span", {}, amount.amount_minor || kind !== "shipping" ? formatted(amount) : "Free"),
    );
  }

  async function order() {
    if (!isComplete(form, alerts)) return;
    const agreed = shown;
    await busily(pay, "One moment …", async () => {
      for (let tries = 1; ; tries += 1) {
        try {
          const price = await priceToOrder(agreed);
          if (price) await send(price);
          return;
        } catch (problem) {
          if (tries >= TRIES || !(await isMended(problem))) return refused(problem, agreed);
        }
      }
    });
  }

  /** Return the price to order by: the one that is shown, and of what is chosen now. Null, and told, where it is not the agreed one. */
  async function priceToOrder(agreed) {
    if (!prices.isOf(wished()) || !prices.price().id || prices.price().unavailable.length) await prices.ask(wished(), { now: true });
    const price = prices.price();
    if (!price || price.unavailable.length) return null;
    if (isSame(agreed, price.total)) return price;
    totalChanged(new Problem({ code: "total_changed", title: "The total has changed" }), agreed);
    return null;
  }

  async function send(price) {
    await customer();
    const body = { quote: price.id, ...given(form) };
    if (locale) body.locale = locale;
    if (price.total.amount_minor > 0) body.payment_method = await card.token();
    const { quote: _id, ...chosenHere } = body;
    const seen = { lines: price.lines.map(({ sku, quantity }) => ({ sku, quantity })), option: price.shipping_option, codes: wish.codes, total: price.total.amount_minor };
    const placed = await placeOnce(body, { ...chosenHere, ...seen }, { onWait });
    if (placed) arrive(placed, go);
  }

  /** Whether to try again: the price is asked for anew, and is ordered by if it is the one that was agreed. */
  async function isMended(problem) {
    if (problem.code === "total_changed" && problem.facts.quote) {
      prices.take(wished(), problem.facts.quote);
      return true;
    }
    if (problem.code === "quote_not_valid") {
      await prices.ask(wished(), { now: true });
      return true;
    }
    const isOfLocale = problem.errors?.length === 1 && problem.errors[0].pointer === "#/locale";
    if (isOfLocale) locale = "";
    return isOfLocale;
  }

  function totalChanged(problem, agreed) {
    const now = prices.price()?.total;
    const changed = agreed && now && !isSame(agreed, now) && `It is ${formatted(now)} now, and was ${formatted(agreed)}.`;
    showAlert(alerts, problem, [changed, "Please look at the total and order again."].filter(Boolean));
  }

  function onWait(problem, seconds) {
    showAlert(alerts, problem);
    say(`${problem.message}. Trying again in ${seconds} seconds`);
  }

  /** Have a token to order with: an account's, or a guest's by their address. */
  async function customer() {
    const known = session.get();
    if (known && !known.guest) return;
    // The account's session has ended while the form was open, which then asks for no address.
    if (!form.elements.email) throw new Problem({ status: 401, code: "session_over", title: "Please sign in again" });
    const email = form.elements.email.value.trim();
    if (known?.email.toLowerCase() === email.toLowerCase()) return;
    const { data } = await becomeGuest(email);
    session.set({ token: data.token, email: data.email, guest: true });
  }

  async function refused(problem, agreed) {
    if (problem.name === "AbortError") return null;
    if (!(problem instanceof Problem)) console.error(problem);
    if (problem.status >= 400 && problem.status < 500) card.spent();
    if (waitsForCard(problem)) return leaveFor(problem, basket.wanted(), go);
    if (problem.code === "total_changed" || problem.code === "code_not_usable") {
      if (!problem.facts.quote) await prices.ask(wished(), { now: true });
      return totalChanged(problem, agreed);
    }
    if (problem.status === 401) {
      const wasGuest = session.get()?.guest;
      session.set(null);
      // A guest's token ends after some days; the next attempt gets a new one.
      if (wasGuest) return showAlert(alerts, new Problem({ code: "guest_over", title: "Please order again" }));
      notice.leave("Please sign in again to order.");
      return go("/sign-in?next=/checkout");
    }
    const named = await canceledOrder(problem);
    if (problem.code === "insufficient_stock") showUnavailable({ unavailable: [problem.facts] });
    else if (problem.code === "card_declined") showAlert(alerts, problem, ["Nothing was charged. Please choose another card, and order again."]);
    else explain(toForm(problem), alerts, form);
    if (named) (alerts.querySelector(".alert") ?? alerts).append(named);
    return null;
  }
}

/** Return the sentence that names the order which a refusal canceled, or null: whoever writes to the shop can refer to it. */
async function canceledOrder(problem) {
  const id = problem.member?.("order_id");
  if (!id || problem.member("order_status") !== "CANCELED") return null;
  const { data } = await load(id).catch(() => ({ data: null }));
  return h("p", {}, "It is canceled: ", h("a", { href: `/orders/${id}` }, data ? `order ${data.number}` : "your order"), ".");
}

/** Send again what was sent before this page was loaded anew, and go where it leads: the same key, so the same order. */
async function finishEarlierAttempt({ root, go }) {
  const attempt = attempts.left("order");
  const alerts = alertPlace();
  const again = () => finishEarlierAttempt({ root, go });
  const state = h("p", { class: "now" }, "Your order was being sent when this page closed. One moment …");
  const buttons = h("div", { class: "buttons" });
  fill(root, h("h1", {}, "Checkout"), state, alerts, buttons);
  try {
    arrive(await finish(attempt), go);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (waitsForCard(problem)) return leaveFor(problem, attempt.wish.lines, go);
    showAlert(alerts, problem);
    const isOpen = Boolean(attempts.left("order"));
    fill(state, isOpen ? "Your order has no answer yet. However often you ask, it is placed only once." : "Your order was not placed.");
    fill(buttons, isOpen
      ? [h("button", { type: "button", onclick: again }, "Ask again"), h("a", { href: "/checkout?change" }, "Change something")]
      : h("a", { href: "/checkout", class: "button" }, "Back to the checkout"));
  }
  return null;
}

/** The basket and what was chosen for one order are not for the next: its codes, its note, its delivery. */
function ordered(lines) {
  const { fields = {}, ...kept } = draft.get();
  draft.set({ ...kept, fields: { ...fields, code: "", note: "" }, codes: [], shipping_option: "" });
  basket.takeOut(lines);
}

function arrive(order, go) {
  ordered(order.lines);
  keepSecret(order);
  go(`/orders/${order.id}`, { replace: true });
}

/** Whether the order lives and another card may pay it, or its payment is still asked after. */
const waitsForCard = (problem) =>
  Boolean(problem.member("order_id")) && (problem.member("next_action") === "provide_payment_method" || problem.status >= 500);

function leaveFor(problem, lines, go) {
  notice.leave(problem);
  ordered(lines);
  go(`/orders/${problem.member("order_id")}`, { replace: true });
}

/** A quote's problems name its own members: the same fields of the form. */
function toForm(problem) {
  if (problem.code === "region_not_known") {
    const detail = problem.facts.region ? "This state or region is not known." : "Taxes depend on the state or region.";
    const errors = [{ pointer: "#/shipping_address/region", detail: `${detail} Please enter its name or its code.` }];
    return Object.assign(Object.create(problem), { errors });
  }
  if (!problem.errors?.length) return problem;
  const errors = problem.errors.map((error) => ({ ...error, pointer: (error.pointer ?? "").replace("destination/", "shipping_address/") }));
  return Object.assign(Object.create(problem), { errors });
}

const isSame = (agreed, total) => agreed !== null && agreed.amount_minor === total.amount_minor && agreed.currency === total.currency;

const total = (amount, words) => h("p", { class: "sum total" }, h("span", {}, words), h("strong", { id: "total" }, formatted(amount)));

const days = ({ days_min: from, days_max: to }) => (from === to ? `${to} ${to === 1 ? "day" : "days"}` : `${from} to ${to} days`);
