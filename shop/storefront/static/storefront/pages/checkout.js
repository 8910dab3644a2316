// The checkout: one form, priced anew as the shopper types, sent once however often the button is pressed.

import { Problem, becomeGuest, placeOrder } from "../api.js";
import { cardChooser, keepSecret } from "../cards.js";
import { countries, likelyCountry } from "../countries.js";
import { fill, h, say } from "../dom.js";
import { alertPlace, busily, explain, field, forget, isComplete, showAlert } from "../forms.js";
import { formatted, labelOf } from "../money.js";
import { pricing } from "../quoting.js";
import { attempts, basket, draft, notice, session } from "../store.js";
import { picture } from "./products.js";

const ADDRESS = ["name", "line1", "line2", "postal_code", "city", "region", "country"];

export async function checkoutPage({ root, title, signal, go }) {
  title("Checkout");
  if (attempts.open("order")) return finishEarlierAttempt({ root, go });
  if (!basket.lines().length) return fill(root, h("h1", {}, "Checkout"), h("p", {}, "Your basket is empty. ", h("a", { href: "/" }, "See the products")));

  const kept = draft.get();
  const wish = { codes: kept.codes ?? [], shipping_option: kept.shipping_option ?? "" };
  const alerts = alertPlace();
  const options = h("div", { class: "options", id: "shipping-options" });
  const summary = h("div", { class: "summing" });
  const pay = h("button", { type: "submit", class: "main wide" }, "Order and pay");
  const payment = h("div", {});
  const card = cardChooser();
  const codeAlerts = alertPlace();
  const code = h("input", { type: "text", id: "code", name: "code", autocomplete: "off", autocapitalize: "characters", maxlength: 64 });
  const apply = h("button", { type: "button", class: "quiet-button", onclick: addCode }, "Apply");
  const codes = h("div", { class: "code" }, h("label", { for: "code" }, "Discount code"), h("div", { class: "searching" }, code, apply), codeAlerts);
  const prices = pricing({ show: showPrice, signal });
  let alertIsOfPrice = false;
  // The total that the button names: nothing is ordered for another one.
  let shown = null;

  const form = h(
    "form",
    { class: "checkout", novalidate: true, onsubmit: (event) => { event.preventDefault(); order(); }, oninput: typed },
    h(
      "div",
      { class: "asked" },
      contact(kept),
      h("fieldset", {}, h("legend", {}, "Delivery address"), addressFields(kept)),
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

  function value(name) {
    return form.elements.namedItem(`shipping_address/${name}`).value.trim();
  }

  function wished() {
    const destination = { country: value("country"), region: value("region"), postal_code: value("postal_code") };
    for (const name of ["region", "postal_code"]) if (!destination[name]) delete destination[name];
    return { ...wish, destination };
  }

  function typed(event) {
    const { name, value: chosen } = event.target;
    if (name === "shipping_option") {
      wish.shipping_option = chosen;
      prices.ask(wished(), { now: true });
    } else if (/\/(country|region|postal_code)$/.test(name)) prices.ask(wished());
    keepDraft();
  }

  function keepDraft() {
    const address = Object.fromEntries(ADDRESS.map((name) => [name, value(name)]));
    draft.set({ ...address, email: form.elements.email?.value ?? "", ...wish });
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
        explain(toForm(problem), alerts, form);
        alertIsOfPrice = true;
      }
      fill(summary, lines(null), total(basket.subtotal(), "Sum without delivery and taxes"));
      return;
    }
    // What an order was refused for stays until the next attempt.
    if (alertIsOfPrice) forget(alerts, form);
    alertIsOfPrice = false;
    showOptions(price);
    showRefusedCodes(price);
    showUnavailable(price);
    fill(summary, lines(price), price.adjustments.map(adjustment), total(price.total, price.id ? "Total" : "Sum without delivery"));
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
      h("div", { class: "alert" }, h("strong", {}, rest ? "Not everything is there" : "Sold out"), told.map((text) => h("p", {}, text)), h("button", { type: "button", class: "quiet-button", onclick: take }, rest ? "Take what is there" : "Empty the basket")),
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
    const { kind, code: given, amount, included, sku } = told;
    const where = sku ? ` (${basket.lines().find((line) => line.sku === sku)?.name ?? sku})` : "";
    const words = labelOf(told);
    const applied = kind === "discount" && wish.codes.find((each) => each.toUpperCase() === given);
    return h(
      "p",
      { class: included ? "sum included" : "sum" },
      h("span", {}, included ? `including ${words}` : words + where, applied && h("button", { type: "button", class: "link", "aria-label": `Remove the code ${given}`, onclick: () => dropCode(applied) }, "Remove")),
      h("span", {}, amount.amount_minor || kind !== "shipping" ? formatted(amount) : "Free"),
    );
  }

  async function order() {
    if (!isComplete(form, alerts)) return;
    const agreed = shown;
    await busily(pay, "One moment …", async () => {
      try {
        await prices.ask(wished(), { now: true });
        const price = prices.price();
        if (!price || price.unavailable.length) return;
        if (!isSame(agreed, price.total)) return totalChanged(new Problem({ code: "total_changed", title: "The total has changed" }));
        await customer();
        const body = { ...priced(price), shipping_address: address(), expected_total: bare(price.total) };
        if (price.total.amount_minor > 0) body.payment_method = await card.token();
        const key = attempts.begin("order", body);
        arrive(await placeOrder(body, key, { onWait }), go);
      } catch (problem) {
        refused(problem);
      }
    });
  }

  function totalChanged(problem) {
    showAlert(alerts, problem, ["Please look at the total and order again."]);
  }

  function onWait(problem, seconds) {
    showAlert(alerts, problem);
    say(`${problem.message}. Trying again in ${seconds} seconds`);
  }

  /** Order what the quote has priced; the shop compares its total with what the shopper was shown. */
  function priced(price) {
    const body = { lines: basket.wanted() };
    if (price.shipping_option) body.shipping_option = price.shipping_option;
    if (wish.codes.length) body.codes = wish.codes;
    return body;
  }

  function address() {
    const given = Object.fromEntries(ADDRESS.map((name) => [name, value(name)]));
    for (const name of ["line2", "region", "postal_code"]) if (!given[name]) delete given[name];
    return given;
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

  function refused(problem) {
    if (problem.name === "AbortError") return;
    if (!(problem instanceof Problem)) console.error(problem);
    if (settles(problem)) attempts.close("order");
    if (waitsForCard(problem)) return leaveFor(problem, go);
    if (problem.code === "total_changed" || problem.code === "code_not_usable") {
      prices.ask(wished(), { now: true });
      return totalChanged(problem);
    }
    if (problem.status === 401) {
      const wasGuest = session.get()?.guest;
      session.set(null);
      // A guest's token ends after some days; the next attempt gets a new one.
      if (wasGuest) return showAlert(alerts, new Problem({ code: "guest_over", title: "Please order again" }));
      notice.leave("Please sign in again to order.");
      return go("/sign-in?next=/checkout");
    }
    if (problem.code === "insufficient_stock") return showUnavailable({ unavailable: [problem.facts] });
    if (problem.code === "card_declined") return showAlert(alerts, problem, ["Nothing was charged. Please choose another card, and order again."]);
    return explain(toForm(problem), alerts, form);
  }
}

function contact(kept) {
  const known = session.get();
  const signedIn = known && !known.guest;
  return h(
    "fieldset",
    {},
    h("legend", {}, "Contact"),
    signedIn
      ? h("p", {}, "Signed in as ", h("strong", {}, known.email))
      : [
          field("email", "Email", { type: "email", required: true, autocomplete: "email", maxlength: 254, value: kept.email || known?.email || "", hint: "We write to it about this order." }),
          h("p", { class: "hint" }, "You order as a guest. ", h("a", { href: "/sign-in?next=/checkout" }, "Sign in or make an account")),
        ],
  );
}

function addressFields(kept) {
  const from = (name) => kept[name] ?? "";
  const text = (name, label, autocomplete, more = {}) =>
    field(`shipping_address/${name}`, label, { autocomplete: `shipping ${autocomplete}`, value: from(name), maxlength: 200, ...more });
  const chosen = from("country") || likelyCountry();
  const country = h(
    "select",
    { autocomplete: "shipping country", required: true },
    h("option", { value: "" }, "Choose a country"),
    countries().map(([code, name]) => h("option", { value: code, selected: code === chosen }, name)),
  );
  return [
    text("name", "Name", "name", { required: true }),
    text("line1", "Street and number", "address-line1", { required: true }),
    text("line2", "Apartment, floor", "address-line2"),
    h("div", { class: "pair" }, text("postal_code", "Postal code", "postal-code", { maxlength: 20 }), text("city", "City", "address-level2", { required: true, maxlength: 100 })),
    h("div", { class: "pair" }, text("region", "State or region", "address-level1", { maxlength: 100 }), field("shipping_address/country", "Country", { control: country })),
  ];
}

/** Send again what was sent before this page was loaded anew, and go where it leads: the same key, so the same order. */
async function finishEarlierAttempt({ root, go }) {
  const { key, body } = attempts.open("order");
  const alerts = alertPlace();
  const again = () => finishEarlierAttempt({ root, go });
  fill(root, h("h1", {}, "Checkout"), h("p", { class: "quiet" }, "Your order was on its way when this page closed. One moment …"), alerts);
  try {
    arrive(await placeOrder(body, key), go);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (settles(problem)) attempts.close("order");
    if (waitsForCard(problem)) return leaveFor(problem, go);
    showAlert(alerts, problem);
    fill(root.querySelector("p"), attempts.open("order")
      ? h("button", { type: "button", class: "quiet-button", onclick: again }, "Ask again")
      : h("a", { href: "/checkout" }, "Back to the checkout"));
  }
  return null;
}

function arrive({ data: order }, go) {
  attempts.close("order");
  draft.set({ ...draft.get(), codes: [], shipping_option: "" });
  basket.set([]);
  keepSecret(order);
  go(`/orders/${order.id}`, { replace: true });
}

/** Whether the key's answer is known: nothing more can come of it. Else the same request is sent again. */
const settles = (problem) => problem.status >= 400 && problem.status < 500 && problem.status !== 429 || Boolean(problem.member("order_id"));

/** Whether the order lives and another card may pay it, or its payment is still asked after. */
const waitsForCard = (problem) =>
  Boolean(problem.member("order_id")) && (problem.member("next_action") === "provide_payment_method" || problem.status >= 500);

function leaveFor(problem, go) {
  notice.leave(problem);
  basket.set([]);
  go(`/orders/${problem.member("order_id")}`, { replace: true });
}

/** A quote's problems name its own members: the same fields of the form. */
function toForm(problem) {
  if (!problem.errors?.length) return problem;
  const errors = problem.errors.map((error) => ({ ...error, pointer: (error.pointer ?? "").replace("destination/", "shipping_address/") }));
  return Object.assign(Object.create(problem), { errors });
}

const isSame = (agreed, total) => agreed !== null && agreed.amount_minor === total.amount_minor && agreed.currency === total.currency;

const bare = ({ amount_minor, currency }) => ({ amount_minor, currency });

const total = (amount, words) => h("p", { class: "sum total" }, h("span", {}, words), h("strong", { id: "total" }, formatted(amount)));

const days = ({ days_min: from, days_max: to }) => (from === to ? `${to} ${to === 1 ? "day" : "days"}` : `${from} to ${to} days`);
