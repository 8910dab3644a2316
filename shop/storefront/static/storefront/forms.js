// Fields with labels, and the problems of the API in words: near the field that they are about, or as an alert.

import { ofDecline } from "./declines.js";
import { fill, h, say } from "./dom.js";

/**
 * A labeled field. `name` is the path of the body's member that it fills, as a problem's pointer names it:
 * "shipping_address/city". `plain`: its label does not say that it may be left out.
 */
export function field(name, label, { hint, control, plain = false, ...properties } = {}) {
  const id = `field-${name.replaceAll("/", "-")}`;
  const input = control ?? h("input", { type: "text", ...properties });
  input.id = id;
  input.name = name;
  const notes = h("p", { class: "error", id: `${id}-error`, hidden: true });
  if (hint) input.setAttribute("aria-describedby", `${id}-hint`);
  const saysOptional = !control && !plain && h("span", { class: "quiet", "data-optional": true, hidden: input.required }, " (optional)");
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label, saysOptional),
    input,
    hint && h("p", { class: "hint", id: `${id}-hint` }, hint),
    notes,
  );
}

/** Have a field be left out or not; its label says which. */
export function setRequired(input, required) {
  input.required = required;
  const says = input.closest(".field").querySelector("[data-optional]");
  if (says) says.hidden = required;
  if (!required) unmark(input);
}

/** Return the place for a form's alert, which `explain` fills. */
export const alertPlace = () => h("div", { class: "alerts", role: "alert" });

/** Show a problem: each of its errors near its field, the rest in `place`. `focus`: go on at the first of them. */
export function explain(problem, place, form = null, { focus = true } = {}) {
  forget(place, form);
  const elsewhere = [];
  let first = null;
  for (const { pointer = "", detail = "" } of problem.errors ?? []) {
    const input = form && fieldOf(form, pointer);
    if (!input) {
      elsewhere.push(detail);
      continue;
    }
    mark(input, detail);
    first ??= input;
  }
  if (first && focus) first.focus();
  if (!first || elsewhere.length) showAlert(place, problem, elsewhere);
  if (first) say(first.parentElement.querySelector(".error").textContent);
}

function fieldOf(form, pointer) {
  const name = decodeURIComponent(pointer.replace(/^#?\/?/, ""));
  const found = form.elements.namedItem(name);
  return found instanceof Element ? found : null;
}

// Of its own form: another one may stand there by the time of a late answer, with fields of the same names.
const notesOf = (input) => input.closest(".field")?.querySelector(".error");

function mark(input, text) {
  const notes = notesOf(input);
  if (!notes) return;
  input.closest("details")?.setAttribute("open", "");
  input.addEventListener("input", () => unmark(input), { once: true });
  notes.textContent = text;
  notes.hidden = false;
  input.setAttribute("aria-invalid", "true");
  const described = new Set((input.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean));
  input.setAttribute("aria-describedby", [...described.add(notes.id)].join(" "));
}

/** Put a problem's title and detail into `place`. */
export function showAlert(place, problem, more = []) {
  const { title = "Something went wrong on this page", detail = "", retryAfter } = known(problem);
  const later = retryAfter ? [`Please try again in ${retryAfter > 90 ? `${Math.ceil(retryAfter / 60)} minutes` : `${retryAfter} seconds`}.`] : [];
  const told = [...new Set([detail, ...more, ...later].filter(Boolean))];
  const open = (problem.facts?.open_orders ?? []).map(({ order_id: id, number }) => h("p", {}, h("a", { href: `/orders/${id}` }, `Order ${number}`)));
  fill(place, h("div", { class: "alert" }, h("strong", {}, title), told.map((text) => h("p", {}, text)), open));
  place.scrollIntoView?.({ block: "nearest" });
}

// What the API says to the programmer of a storefront, said to a shopper: [title, detail]; null keeps the API's own.
const IN_WORDS = {
  invalid_request: ["That did not work", ""],
  payment_method_refused: ["This card could not be used", "Nothing was charged. Please enter it again, or use another card."],
  payment_refused_by_provider: ["The payment could not be made", "This is not your card's fault, and nothing was charged."],
  total_changed: ["The total has changed", ""],
  quote_not_valid: ["The price has to be checked again", "Please look at the total and order again."],
  idempotency_key_reused: ["That did not work", "Please order again."],
  not_found: ["There is nothing here", ""],
  too_many_open_orders: ["Too many of your orders are waiting for payment", "Pay or cancel one of them, then order again."],
  too_many_cards_declined: ["Too many cards were declined", "Nothing was charged."],
  code_not_usable: ["A discount code cannot be used", null],
};

// A bug of this page is not the API's problem: it has no title of its own.
function known(problem) {
  if (!problem.code) return { detail: "Please load it again." };
  const [title, detail] = problem.code === "card_declined" ? ofDecline(problem.facts?.decline_code) : (IN_WORDS[problem.code] ?? []);
  return { ...problem, title: title ?? problem.message, detail: detail ?? problem.detail };
}

/** Take back what `explain` has shown. */
export function forget(place, form = null) {
  fill(place);
  for (const input of form?.querySelectorAll("[aria-invalid]") ?? []) unmark(input);
}

function unmark(input) {
  input.removeAttribute("aria-invalid");
  const notes = notesOf(input);
  if (notes) notes.hidden = true;
}

/** Have the browser judge required fields, and say so in words near the first that is wrong. */
export function isComplete(form, place) {
  forget(place, form);
  const wrong = [...form.elements].filter((input) => input.willValidate && !input.checkValidity());
  for (const input of wrong) mark(input, input.validationMessage);
  if (wrong.length) {
    wrong[0].focus();
    say(wrong[0].validationMessage);
  }
  return wrong.length === 0;
}

/** Run `work` once for a button however often it is pressed; meanwhile the button says `doing`, unless `work` changes that. */
export async function busily(button, doing, work) {
  if (button.getAttribute("aria-busy")) return;
  const label = [...button.childNodes];
  button.setAttribute("aria-busy", "true");
  button.setAttribute("aria-disabled", "true");
  fill(button, doing);
  try {
    await work();
  } finally {
    button.removeAttribute("aria-busy");
    button.removeAttribute("aria-disabled");
    // A button that says something new by now keeps it: its old words may name an old total.
    if (button.textContent === doing) fill(button, label);
  }
}

/** Ask before something that cannot be taken back; resolves to whether the shopper agreed. */
export function confirmed({ title, text, yes, no = "Not now" }) {
  return choose({ title, text, choices: [[no, false, "quiet-button"], [yes, true, ""]] });
}

/** Ask in a dialog; resolves to the value of the choice, or to null where the dialog was left. */
export function choose({ title, text, choices }) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    let chosen = null;
    const buttons = choices.map(([label, value, style]) =>
      h("button", { type: "button", class: style, onclick: () => { chosen = value; dialog.close(); } }, label),
    );
    const dialog = h(
      "dialog",
      { "aria-labelledby": "dialog-title" },
      h("h2", { id: "dialog-title" }, title),
      [text].flat().map((line) => h("p", {}, line)),
      h("div", { class: "choices" }, buttons),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(chosen);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
