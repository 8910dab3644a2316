// Why a card was declined, in words. The codes are the provider's (docs.stripe.com/declines/codes) and the shop's own.

const DECLINED = "The card was declined";
const AGAIN = "Please try again in a moment, or use another card.";
const WORDS = {
  insufficient_funds: [DECLINED, "It does not have enough funds."],
  card_velocity_exceeded: [DECLINED, "Its limit is reached."],
  withdrawal_count_limit_exceeded: [DECLINED, "Its limit is reached."],
  expired_card: [DECLINED, "It has expired."],
  incorrect_cvc: [DECLINED, "Its security code is wrong."],
  invalid_cvc: [DECLINED, "Its security code is wrong."],
  incorrect_number: [DECLINED, "Its number is wrong."],
  invalid_number: [DECLINED, "Its number is wrong."],
  invalid_expiry_month: [DECLINED, "Its expiry date is wrong."],
  invalid_expiry_year: [DECLINED, "Its expiry date is wrong."],
  card_not_supported: [DECLINED, "It cannot be used for this kind of purchase."],
  currency_not_supported: [DECLINED, "It cannot pay in this currency."],
  processing_error: ["The card could not be checked", AGAIN],
  issuer_not_available: ["The card's bank cannot be reached", AGAIN],
  try_again_later: [DECLINED, AGAIN],
  authentication_required: ["The card's bank wants your approval", "Please try again, and approve the payment there."],
  payment_intent_authentication_failure: ["The payment was not approved", "You declined it at your bank, or left before it was complete. You can try again."],
  changed: ["Another card has taken this one's place", "You chose it later. This one was not charged."],
};

/** Return [title, detail] for a decline. Of most codes a shopper learns no more than that the bank said no. */
export const ofDecline = (code) => WORDS[code] ?? [DECLINED, "Its bank did not say why; it can tell you."];
