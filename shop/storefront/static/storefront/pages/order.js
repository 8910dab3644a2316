// One order, live: asked again while something may change, with the ETag, so that an unchanged order costs little.

import { Problem, cancelOrder, extendHold, order as load, payOrder, receipt } from "../api.js";
import { authenticate, cardChooser, keepSecret, takeSecret } from "../cards.js";
import { fill, h, say, wait } from "../dom.js";
import { alertPlace, busily, confirmed, showAlert } from "../forms.js";
import { formatted, labelOf } from "../money.js";
import { notHere } from "./not-here.js";
import { attempts, notice, orderTokens, session } from "../store.js";

const STEPS = [
  ["Placed", "placed_at", ["PENDING", "AWAITING_PAYMENT"]],
  ["Paid", "confirmed_at", ["CONFIRMING", "CONFIRMED"]],
  ["On its way", null, ["SHIPPED"]],
  ["Delivered", null, ["DELIVERED"]],
];
const NOW = {
  PENDING: "We are working on your order.",
  AWAITING_PAYMENT: "Your order is waiting for payment.",
  CONFIRMING: "Your payment has arrived; we are confirming the order.",
  CONFIRMED: "Thank you! Your order is confirmed.",
  SHIPPED: "Your parcel is on its way.",
  DELIVERED: "Your parcel has arrived.",
  CANCELING: "Your order is being canceled.",
  CANCELED: "Your order is canceled.",
  REFUNDING: "Your order is being canceled, and your money returned.",
  REFUNDED: "Your order is canceled, and your money is on its way back.",
};
const REASONS = {
  out_of_stock: "Something was sold out while you ordered.",
  card_declined: "Your card was declined. Nothing was charged.",
  customer_request: "You canceled it.",
  staff_request: "The shop canceled it.",
  payment_abandoned: "It was not paid in time. Nothing was charged.",
  reservation_expired: "It was not paid in time. Nothing was charged.",
  authorization_gone: "The authorization of your card ran out. Nothing was charged.",
  payment_unavailable: "The payment could not be taken in time. Nothing was charged.",
  refused: "Its payment could not be taken. Nothing was charged.",
  too_much_held_unpaid: "Too much is reserved without a payment at the moment. Please order again, with a card that needs no approval.",
};
const CANCELABLE = ["PENDING", "AWAITING_PAYMENT", "CONFIRMED"];
const WITH_RECEIPT = ["CONFIRMED", "SHIPPED", "DELIVERED", "REFUNDING", "REFUNDED"];
const ENDED = ["DELIVERED", "CANCELED", "REFUNDED"];
const SECONDS = { wait: 1, authenticate: 4, provide_payment_method: 4, none: 5 };

export async function orderPage(context) {
  const { root, params, title, signal } = context;
  const [id] = params;
  takeTokenFromLink(id);
  title("Your order");
  if (!session.get() && !orderTokens.get(id)) {
    return fill(root, h("h1", {}, "Your order"), h("p", {}, h("a", { href: `/sign-in?next=/orders/${id}` }, "Sign in"), " to see it, or have ", h("a", { href: "/find-order" }, "its link sent to you"), "."));
  }
  const alerts = alertPlace();
  const parts = Object.fromEntries(["state", "action", "deadline", "story", "lines", "about", "buttons"].map((name) => [name, h("div", { class: name })]));
  const first = await load(id).catch((problem) => {
    if (![401, 403, 404].includes(problem.status)) throw problem;
    return problem;
  });
  if (first.status === 404 && session.get()?.guest === false) return notHere(context, "There is no such order", "It may belong to another account: whoever has the link in its mail can open it.");
  if (first instanceof Problem) {
    fill(root, h("h1", {}, "Your order"), alerts, h("p", {}, "You can ", h("a", { href: `/sign-in?next=/orders/${id}` }, "sign in"), " to see it, or have ", h("a", { href: "/find-order" }, "its link sent to you"), "."));
    return showAlert(alerts, first);
  }
  let { data: order, etag } = first;
  let acting = "";
  let approving = false;
  let turn = 0;
  fill(
    root,
    h("h1", { tabindex: -1 }, "Order ", h("span", { class: "number" }, order.number)),
    parts.state,
    alerts,
    parts.action,
    parts.deadline,
    h("div", { class: "order" }, h("section", { "aria-label": "What happened" }, parts.story, parts.about), h("section", { "aria-label": "What you ordered" }, parts.lines)),
    parts.buttons,
  );
  title(`Order ${order.number}`);
  const left = notice.take();
  show();
  if (left) tell(left);
  watch();
  const secret = takeSecret(id);
  // Right after ordering the bank's question comes by itself, once this page stands.
  if (secret && order.next_action === "authenticate") setTimeout(() => signal.aborted || approve(secret));

  function tell(left_) {
    if (left_ instanceof Problem) {
      const tries = left_.member("attempts_left");
      showAlert(alerts, left_, tries ? [`You can try ${tries === 1 ? "once" : `${tries} times`} more.`] : []);
    } else fill(alerts, h("p", { class: "alert" }, left_));
  }

  async function watch() {
    let pause = SECONDS[order.next_action] ?? 2;
    while (!signal.aborted && !ENDED.includes(order.status)) {
      await wait(pause);
      await seen();
      if (signal.aborted) return;
      try {
        const before = turn;
        const answer = await load(id, { etag });
        if (signal.aborted) return;
        // What was done meanwhile has a newer answer.
        if (answer.data && turn === before) take(answer);
        pause = answer.retryAfter ?? SECONDS[order.next_action] ?? 2;
      } catch (problem) {
        // The order goes on without this page: it asks again, more rarely.
        pause = problem.retryAfter ?? Math.min(pause * 2, 30);
        if ([401, 403, 404].includes(problem.status)) return showAlert(alerts, problem);
      }
    }
    return null;
  }

  function take(answer) {
    const before = order.status;
    turn += 1;
    order = answer.data;
    etag = answer.etag;
    show();
    if (order.status !== before) say(NOW[order.status]);
  }

  function show() {
    const at = document.activeElement;
    const held = root.contains(at);
    showParts();
    // What had the focus was made anew, or is over: whoever uses the keyboard goes on there, or at the top.
    if (held && !at.isConnected) (sameAs(at) ?? root.querySelector("h1")).focus();
  }

  function sameAs(gone) {
    return [...root.querySelectorAll("button, a")].find((each) => each.textContent === gone.textContent);
  }

  function showParts() {
    fill(parts.state, h("p", { class: `now ${order.status.toLowerCase()}` }, NOW[order.status], order.cancel_reason && [" ", REASONS[order.cancel_reason] ?? ""]));
    fill(parts.deadline, deadline());
    fill(parts.story, story(order));
    fill(parts.lines, lines(order));
    fill(parts.about, about(order));
    fill(parts.buttons, buttons());
    const next = `${order.next_action} ${order.status}`;
    // A card that is being typed stays: the form is made anew only where something else is to be done.
    if (next === acting) return;
    acting = next;
    fill(parts.action, action());
  }

  function action() {
    if (order.next_action === "authenticate") return h("div", { class: "todo" }, h("p", {}, "Your bank wants you to approve this payment."), h("button", { type: "button", class: "main", onclick: () => approve() }, "Approve at your bank"), otherCard());
    if (order.next_action === "provide_payment_method") return h("div", { class: "todo" }, h("h2", {}, "Pay"), payForm());
    if (order.next_action === "wait") return h("p", { class: "waiting", role: "status" }, "One moment, this page updates automatically …");
    return null;
  }

  function otherCard() {
    if (order.payment?.attempts_left === undefined) return null;
    return h("details", {}, h("summary", {}, "Pay with another card"), payForm());
  }

  function payForm() {
    const card = cardChooser();
    const button = h("button", { type: "submit", class: "main" }, `Pay ${formatted(order.total)}`);
    const submit = async (event) => {
      event.preventDefault();
      await busily(button, "One moment …", async () => {
        fill(alerts);
        // The same card is sent again with the same key, another one with a new key.
        await paid(async () => ({ payment_method: await card.token() }));
        if (!attempts.open(`pay.${id}`)) card.spent();
      });
    };
    return h(
      "form",
      { onsubmit: submit },
      card.element,
      order.payment?.attempts_left > 0 && h("p", { class: "hint" }, `Tries left: ${order.payment.attempts_left}.`),
      button,
    );
  }

  /** Until when the order waits, and more time where it can be had. Made anew beside the form, in which a card may be typed. */
  function deadline() {
    if (!["authenticate", "provide_payment_method"].includes(order.next_action)) return null;
    const more = h("button", { type: "button", class: "quiet-button", onclick: () => busily(more, "One moment …", moreTime) }, "Give me more time");
    return [h("p", { class: "hint" }, "Please pay before ", time(order.pay_before), "."), order.hold_extensions_left > 0 && more];
  }

  async function moreTime() {
    try {
      const answer = await extendHold(id, attempts.begin(`more.${id}`, {}));
      attempts.close(`more.${id}`);
      fill(alerts);
      take(answer);
      say("You have more time to pay.");
    } catch (problem) {
      if (problem.status >= 400 && problem.status < 500) attempts.close(`more.${id}`);
      tell(problem);
      await again();
    }
  }

  /** Send what is to be paid with, and show what came of it. */
  async function paid(made) {
    try {
      const body = await made();
      const key = attempts.begin(`pay.${id}`, body);
      const answer = await payOrder(id, body, key, { onWait: (problem) => showAlert(alerts, problem) });
      attempts.close(`pay.${id}`);
      keepSecret(answer.data);
      acting = "";
      take(answer);
      const asked = takeSecret(id);
      if (asked && order.next_action === "authenticate" && body.payment_method) await approve(asked);
    } catch (problem) {
      if (problem.status >= 400 && problem.status < 500) attempts.close(`pay.${id}`);
      // First the form for what comes next, then what it is about: nobody types into a form that is about to go.
      await again();
      tell(problem);
    }
  }

  async function again() {
    try {
      take(await load(id));
    } catch {
      // What has been told stays: the watch asks again.
    }
  }

  async function approve(known) {
    if (approving) return;
    approving = true;
    try {
      const held = known ?? (await secretOf());
      if (!held) return;
      if (await authenticate(held)) await paid(async () => ({}));
    } catch (problem) {
      await again();
      tell(problem);
    } finally {
      approving = false;
    }
  }

  async function secretOf() {
    const answer = await payOrder(id, {}, attempts.begin(`ask.${id}`, {}));
    attempts.close(`ask.${id}`);
    const held = answer.data.payment?.client_secret;
    if (!held) take(answer);
    return held;
  }

  function buttons() {
    const cancel = h("button", { type: "button", class: "quiet-button", onclick: () => ask() }, "Cancel this order");
    const print = h("button", { type: "button", class: "quiet-button", onclick: () => busily(print, "One moment …", save) }, "Receipt (PDF)");
    return [WITH_RECEIPT.includes(order.status) && order.lines[0] && print, CANCELABLE.includes(order.status) && cancel, h("a", { href: "/orders" }, "All orders")];

    async function ask() {
      const paidAlready = order.status === "CONFIRMED";
      const agreed = await confirmed({ title: "Cancel this order?", text: paidAlready ? `You get ${formatted(order.total)} back on your card.` : "Nothing is charged.", yes: "Cancel the order", no: "Keep it" });
      if (!agreed) return;
      await busily(cancel, "Canceling …", async () => {
        try {
          const answer = await cancelOrder(id, attempts.begin(`cancel.${id}`, {}), {});
          attempts.close(`cancel.${id}`);
          fill(alerts);
          take(answer);
        } catch (problem) {
          if (problem.status >= 400 && problem.status < 500) attempts.close(`cancel.${id}`);
          tell(problem);
          await again();
        }
      });
    }

    async function save() {
      try {
        const address = URL.createObjectURL(await receipt(id));
        const link = document.createElement("a");
        link.href = address;
        link.download = `receipt-${order.number}.pdf`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(address), 60_000);
      } catch (problem) {
        tell(problem);
      }
    }
  }
}

/** Take the access that a mail's link brings (#access=...), and leave it out of the address, which may be shared. */
function takeTokenFromLink(id) {
  const token = new URLSearchParams(location.hash.slice(1)).get("access");
  if (!token) return;
  orderTokens.keep(id, token);
  history.replaceState(history.state, "", location.pathname + location.search);
}

/** Wait until somebody looks at this page. */
function seen() {
  if (!document.hidden) return null;
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

function story(order) {
  const { status } = order;
  const back = ["CANCELING", "CANCELED", "REFUNDING", "REFUNDED"].includes(status);
  const steps = back ? [STEPS[0], ...(order.confirmed_at ? [STEPS[1]] : []), ["Canceled", null, [status]]] : STEPS;
  const at = steps.findIndex(([, , statuses]) => statuses.includes(status));
  const reached = ["CONFIRMED", "SHIPPED", "DELIVERED", "CANCELED", "REFUNDED"].includes(status) ? at : at - 1;
  return h(
    "ol",
    { class: "timeline" },
    steps.map(([words, when], index) =>
      h(
        "li",
        { class: index <= Math.max(reached, 0) ? "reached" : "", "aria-current": index === at && "step" },
        h("span", {}, words),
        when && order[when] && h("span", { class: "quiet" }, " ", time(order[when])),
      ),
    ),
  );
}

function about(order) {
  const { shipping_address: to, payment } = order;
  const back = payment?.refunded?.amount_minor > 0 && h("p", {}, `Returned to you: ${formatted(payment.refunded)}`);
  return [
    order.carrier && h("p", {}, `${order.carrier} `, order.tracking_number && h("code", {}, order.tracking_number)),
    back,
    h("h2", {}, "Delivery to"),
    h("address", {}, [to.name, to.line1, to.line2, [to.postal_code, to.city].filter(Boolean).join(" "), to.region, countryName(to.country)].filter(Boolean).map((line) => [line, h("br")])),
    h("p", { class: "quiet" }, `Mails go to ${order.email}`),
  ];
}

function countryName(code) {
  return new Intl.DisplayNames([document.documentElement.lang], { type: "region" }).of(code);
}

function lines(order) {
  return [
    h(
      "ul",
      { class: "lines small" },
      order.lines.map((line) =>
        h("li", { class: "line" }, h("span", { class: "what" }, h("a", { href: `/products/${encodeURIComponent(line.sku)}` }, line.name), h("span", { class: "quiet" }, `${line.quantity} × ${formatted(line.unit_price)}`)), h("span", { class: "amount" }, formatted(line.line_total))),
      ),
    ),
    (order.adjustments ?? []).map((told) =>
      h("p", { class: told.included ? "sum included" : "sum" }, h("span", {}, told.included ? `including ${labelOf(told)}` : labelOf(told)), h("span", {}, told.amount.amount_minor || told.kind !== "shipping" ? formatted(told.amount) : "Free")),
    ),
    h("p", { class: "sum total" }, h("span", {}, "Total"), h("strong", {}, formatted(order.total))),
  ];
}

/** Return a moment as the shopper's clock shows it. */
export function time(moment) {
  const words = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  return h("time", { datetime: moment }, words.format(new Date(moment)));
}
