// Amounts as the API writes them: { amount_minor, currency, exponent, formatted }. Whole minor units are added and
// multiplied; nothing is ever a fraction in binary.

/** Return the amount as a shopper reads it: "€12.50". */
export function formatted({ formatted: digits, currency, exponent }) {
  const shape = { style: "currency", currency, minimumFractionDigits: exponent, maximumFractionDigits: exponent };
  // Given as a string of digits, the amount is formatted exactly.
  return new Intl.NumberFormat(document.documentElement.lang, shape).format(digits);
}

export function times(price, quantity) {
  return amount(price.amount_minor * quantity, price);
}

export function sum(amounts) {
  const [first] = amounts;
  return first ? amount(amounts.reduce((total, each) => total + each.amount_minor, 0), first) : null;
}

/** Return what an adjustment is called: its label, with a tax's rate where the label does not name it. */
export function labelOf({ kind, label, rate }) {
  if (kind !== "tax" || !rate || label.includes("%")) return label;
  // "19.00" is 19, "7.50" is 7.5: cut as text.
  return `${label} ${rate.includes(".") ? rate.replace(/\.?0+$/, "") : rate} %`;
}

function amount(minor, { currency, exponent }) {
  const digits = String(Math.abs(minor)).padStart(exponent + 1, "0");
  const [whole, part] = [digits.slice(0, digits.length - exponent), digits.slice(digits.length - exponent)];
  const text = (minor < 0 ? "-" : "") + whole + (part && `.${part}`);
  return { amount_minor: minor, currency, exponent, formatted: text };
}
