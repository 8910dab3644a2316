// Why a card was declined, in words. The codes are the provider's (docs.stripe.com/declines/codes) and the shop's own.

const DECLINED = "The card was declined";
const AGAIN = "Please try again in a moment, or take another card.";
const WORDS = {
  insufficient_funds: [DECLINED, "There is not enough money on it."],
  card_velocity_exceeded: [DECLINED, "Its limit is reached."],
  withdrawal_count_limit_exceeded: [DECLINED, "Its limit is reached."],
  expired_card: [DECLINED, "It has expired."],
  incorrect_cvc: [DECLINED, "Its security code is not right."],
  invalid_cvc: [DECLINED, "Its security code is not right."],
  incorrect_number: [DECLINED, "Its number is not right."],
  invalid_number: [DECLINED, "Its number is not right."],
  invalid_expiry_month: [DECLINED, "The date on which it expires is not right."],
  invalid_expiry_year: [DECLINED, "The date on which it expires is not right."],
  card_not_supported: [DECLINED, "It cannot be used for this kind of purchase."],
  currency_not_supported: [DECLINED, "It cannot pay in this currency."],
  processing_error: ["The card could not be asked", AGAIN],
  issuer_not_available: ["The card's bank cannot be reached", AGAIN],
  try_again_later: [DECLINED, AGAIN],
  authentication_required: ["The card's bank wants your approval", "Please try again, and approve the payment there."],
  payment_intent_authentication_failure: ["The payment was not approved", "You refused it at your bank, or left before the end. You can try again."],
  changed: ["Another card has taken this one's place", "You chose it later. This one was not charged."],
};

/** Return [title, detail] for a decline. Of most codes a shopper learns no more than that the bank said no. */
export const ofDecline = (code) => WORDS[code] ?? [DECLINED, "Its bank did not say why; it can tell you."];
