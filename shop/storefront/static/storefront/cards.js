// How the shopper's card becomes a token: by Stripe's script where the shop has a publishable key, from the test cards
// where it runs with the sandbox or with test keys. No card number ever reaches this page or the shop.

import { Problem } from "./api.js";
import { fill, h, setting } from "./dom.js";
import { choose } from "./forms.js";

const STRIPE = "https://js.stripe.com/v3/";
const TEST_CARDS = [
  ["pm_card_visa", "Visa •••• 4242", "is charged"],
  ["pm_card_authenticationRequired", "Visa •••• 3184", "the bank asks you to approve (3-D Secure)"],
  ["pm_card_chargeDeclinedInsufficientFunds", "Visa •••• 9995", "declined: too little money; another card may be tried"],
  ["pm_card_chargeDeclinedLostCard", "Visa •••• 9987", "declined for good: reported lost"],
];

/**
 * Return what the form shows to choose a card, and `token()`, which gives the card's token or throws a Problem: the same one until
 * the shopper changes the card, or the shop has answered for it (`spent()`). `chosen`: the test card to begin with.
 */
export function cardChooser(chosen = "") {
  if (setting("cards") === "stripe") return stripeCard();
  if (setting("cards") === "test") return testCards(chosen);
  const closed = "This shop does not take cards here yet.";
  return { element: h("p", { class: "alert" }, closed), token: () => Promise.reject(noCard(closed)), spent() {} };
}

const noCard = (title) => new Problem({ code: "no_card", title });

function testCards(chosen) {
  const first = TEST_CARDS.some(([token]) => token === chosen) ? chosen : TEST_CARDS[0][0];
  const rows = TEST_CARDS.map(([token, name, does]) =>
    h(
      "label",
      { class: "option" },
      h("input", { type: "radio", name: "payment_method", value: token, checked: token === first }),
      h("span", {}, h("strong", {}, name), h("span", { class: "quiet" }, ` ${does}`)),
    ),
  );
  const element = h(
    "fieldset",
    { class: "options" },
    h("legend", {}, "Card"),
    h("p", { class: "hint" }, "This shop runs with test cards: no money moves. Each is tried once for an order."),
    rows,
  );
  return { element, token: async () => element.querySelector("input:checked").value, spent() {} };
}

let loaded = null;
/** Load Stripe's script once. It may not be copied: it has to come from Stripe. */
function stripe() {
  loaded ??= new Promise((resolve, reject) => {
    const script = h("script", { src: STRIPE, onload: () => resolve(window.Stripe(setting("publishable-key"))) });
    script.addEventListener("error", () => {
      loaded = null;
      reject(new Problem({ code: "no_stripe", title: "The card form could not be loaded", detail: "Please try again." }));
    });
    document.head.append(script);
  });
  return loaded;
}

function stripeCard() {
  const place = h("div", { class: "stripe" });
  let card = null;
  let kept = null;
  let ready = null;
  const forget = () => { kept = null; };
  const load = () => {
    fill(place, "Loading the card form …");
    ready = stripe().then((made) => {
      card = made.elements().create("card", { hidePostalCode: true, style: cardStyle() });
      card.on("change", forget);
      fill(place);
      card.mount(place);
      return made;
    });
    const again = h("button", { type: "button", class: "quiet-button", onclick: load }, "Load it again");
    ready.catch((problem) => fill(place, h("p", { class: "error" }, problem.message), again));
  };
  load();
  const token = async () => {
    const made = await ready;
    if (kept) return kept;
    const { error, paymentMethod } = await made.createPaymentMethod({ type: "card", card });
    if (error) throw noCard(error.message);
    kept = paymentMethod.id;
    return kept;
  };
  return { element: h("fieldset", { class: "options" }, h("legend", {}, "Card"), place), token, spent: forget };
}

/** Stripe's frame does not see our styles: it is told the colors of the night, too. */
function cardStyle() {
  const { color, fontFamily } = getComputedStyle(document.body);
  return { base: { color, fontFamily, fontSize: "16px" } };
}

/** Have the shopper prove at their bank who they are (3-D Secure); resolves to whether they went through with it. */
export async function authenticate(clientSecret) {
  if (setting("cards") === "stripe") {
    const { error } = await (await stripe()).handleNextAction({ clientSecret });
    // Refused or left at the bank: the shop asks how the payment stands, and says what can be done.
    if (error && error.code !== "payment_intent_authentication_failure") throw noCard(error.message);
    return true;
  }
  const bank = setting("test-bank");
  if (!bank) throw noCard("The bank's page of this test card cannot be reached from here");
  const outcome = await choose({
    title: "Test bank",
    text: ["Your bank asks whether you are paying this.", "With a real card, its own page or app would ask."],
    choices: [["Refuse", "fail", "quiet-button"], ["Approve", "approve", ""]],
  });
  if (!outcome) return false;
  // What the bank answers is for the bank: the page asks the shop how the payment stands.
  const intent = clientSecret.split("_secret_")[0];
  const asked = { method: "POST", mode: "no-cors", body: JSON.stringify({ outcome }) };
  await fetch(`${bank}/sandbox/payment_intents/${encodeURIComponent(intent)}/authenticate`, asked).catch(() => {
    throw noCard("The test bank cannot be reached");
  });
  return true;
}

// A client_secret is answered once, to whoever has just placed or paid the order: kept until the order's page takes it.
const secrets = new Map();

export function keepSecret(order) {
  if (order.payment?.client_secret) secrets.set(order.id, order.payment.client_secret);
}

export function takeSecret(orderId) {
  const secret = secrets.get(orderId);
  secrets.delete(orderId);
  return secret;
}
