// Stands in for https://js.stripe.com/v3/ as far as the storefront calls it: a field for the number of a test card, tokens that
// the sandbox knows, and the bank's question (3-D Secure). What Stripe's script asks Stripe, it asks at Stripe's address.
(() => {
  // Each token is another one, as Stripe's are, also of the same card.
  const TOKENS = {
    "4242424242424242": ["pm_card_us", "pm_card_de", "pm_card_fr"],
    "4000000000009995": ["pm_card_chargeDeclinedInsufficientFunds"],
    "4000002760003184": ["pm_card_authenticationRequired", "pm_card_threeDSecure2Required"],
  };

  window.Stripe = (key) => {
    if (!key.startsWith("pk_test_")) throw new Error(`${key} is not a publishable key`);
    return { elements: () => ({ create }), createPaymentMethod, handleNextAction };
  };

  function create(kind) {
    if (kind !== "card") throw new Error(kind);
    const input = document.createElement("input");
    input.setAttribute("aria-label", "Card number");
    return { number: () => input.value, mount: (place) => place.append(input), on: (event, call) => input.addEventListener(event, call) };
  }

  async function createPaymentMethod({ type, card }) {
    if (type !== "card") throw new Error(type);
    if (!TOKENS[card.number()]) return { error: { code: "incomplete_number", message: "Your card number is incomplete." } };
    return { paymentMethod: { id: TOKENS[card.number()].shift() } };
  }

  async function handleNextAction({ clientSecret }) {
    const outcome = await question();
    await fetch(`https://api.stripe.com/stand-in/${clientSecret.split("_secret_")[0]}`, { method: "POST", body: JSON.stringify({ outcome }) });
    if (outcome === "approve") return { paymentIntent: { status: "requires_capture" } };
    return { error: { code: "payment_intent_authentication_failure", message: "We are unable to authenticate your payment method." } };
  }

  function question() {
    return new Promise((resolve) => {
      const dialog = document.createElement("dialog");
      for (const [label, outcome] of [["Complete", "approve"], ["Leave", "fail"]]) {
        const button = document.createElement("button");
        button.textContent = label;
        button.addEventListener("click", () => {
          dialog.remove();
          resolve(outcome);
        });
        dialog.append(button);
      }
      document.body.append(dialog);
      dialog.showModal();
    });
  }
})();
