// What the checkout asks for besides the card: contact, addresses, and what only some shoppers have to say.

import { countries, likelyCountry, needsPostalCode, needsRegion } from "../countries.js";
import { h } from "../dom.js";
import { field, setRequired } from "../forms.js";
import { session } from "../store.js";

const ADDRESS = ["name", "line1", "line2", "postal_code", "city", "region", "country"];
const MAY_BE_EMPTY = ["line2", "region", "postal_code"];
const EXTRAS = ["company", "vat_number", "phone", "note"];

export function contact(kept) {
  const known = session.get();
  const signedIn = known && !known.guest;
  return h(
    "fieldset",
    {},
    h("legend", {}, "Contact"),
    signedIn
      ? h("p", {}, "Signed in as ", h("strong", {}, known.email))
      : [
          field("email", "Email", { type: "email", required: true, autocomplete: "email", maxlength: 254, value: kept.email || known?.email || "", hint: "For mails about this order." }),
          h("p", { class: "hint" }, "You order as a guest. ", h("a", { href: "/sign-in?next=/checkout" }, "Sign in or create an account")),
        ],
  );
}

export const deliveryAddress = (kept) => h("fieldset", {}, h("legend", {}, "Delivery address"), addressFields("shipping_address", "shipping", kept));

/** Return what may be left out, folded away; open where something of it was typed before. */
export function extras(kept) {
  const text = (name, label, more) => field(name, label, { plain: true, value: kept[name] ?? "", ...more });
  const note = h("textarea", { rows: 3, maxlength: 500 });
  note.value = kept.note ?? "";
  const elsewhere = Boolean(kept["billing_address/line1"] || kept["billing_address/name"]);
  const billing = h("fieldset", { id: "billing", hidden: !elsewhere, disabled: !elsewhere }, h("legend", {}, "Billing address"), addressFields("billing_address", "billing", kept));
  const box = h("input", {
    type: "checkbox",
    checked: elsewhere,
    onchange: ({ target }) => {
      billing.hidden = billing.disabled = !target.checked;
      const { elements } = target.form;
      // Most bills go to the country of the parcel.
      if (elements["billing_address/line1"].value) return;
      elements["billing_address/country"].value = elements["shipping_address/country"].value;
      elements["billing_address/country"].dispatchEvent(new Event("change"));
    },
  });
  return h(
    "details",
    { class: "extras", open: elsewhere || EXTRAS.some((name) => kept[name]) },
    h("summary", {}, "Company, phone, note or another billing address"),
    h("div", { class: "pair" }, text("company", "Company", { autocomplete: "organization", maxlength: 200 }), text("vat_number", "VAT number", { maxlength: 30, autocomplete: "off" })),
    text("phone", "Phone", { type: "tel", autocomplete: "tel", maxlength: 30, hint: "For questions about the delivery." }),
    field("note", "Note to the shop", { control: note }),
    h("label", { class: "check" }, box, "Send the bill to another address"),
    billing,
  );
}

function addressFields(prefix, purpose, kept) {
  const from = (name) => kept[`${prefix}/${name}`] ?? "";
  const text = (name, label, autocomplete, more = {}) =>
    field(`${prefix}/${name}`, label, { autocomplete: `${purpose} ${autocomplete}`, value: from(name), maxlength: 200, ...more });
  const chosen = from("country") || likelyCountry();
  const country = h(
    "select",
    { autocomplete: `${purpose} country`, required: true, onchange: () => ask() },
    h("option", { value: "" }, "Choose a country"),
    countries().map(([code, name]) => h("option", { value: code, selected: code === chosen }, name)),
  );
  const postalCode = text("postal_code", "Postal code", "postal-code", { maxlength: 20 });
  const region = text("region", "State or region", "address-level1", { maxlength: 100 });
  // What an address needs depends on its country, which is asked for first.
  const ask = () => {
    setRequired(postalCode.querySelector("input"), needsPostalCode(country.value));
    setRequired(region.querySelector("input"), needsRegion(country.value));
  };
  const asked = field(`${prefix}/country`, "Country", { control: country });
  ask();
  return [
    text("name", "Name", "name", { required: true }),
    asked,
    text("line1", "Street and number", "address-line1", { required: true }),
    text("line2", "Apartment, floor", "address-line2"),
    h("div", { class: "pair" }, postalCode, text("city", "City", "address-level2", { required: true, maxlength: 100 })),
    region,
  ];
}

/** Return what stands in the form, as `POST /orders` takes it. */
export function given(form) {
  const body = { shipping_address: address(form, "shipping_address") };
  if (!document.getElementById("billing").disabled) body.billing_address = address(form, "billing_address");
  for (const name of EXTRAS) if (valueOf(form, name)) body[name] = valueOf(form, name);
  return body;
}

export const valueOf = (form, name) => form.elements.namedItem(name)?.value.trim() ?? "";

function address(form, prefix) {
  const found = Object.fromEntries(ADDRESS.map((name) => [name, valueOf(form, `${prefix}/${name}`)]));
  for (const name of MAY_BE_EMPTY) if (!found[name]) delete found[name];
  return found;
}

/** Return everything that was typed, by the names of its fields. */
export function typedInto(form) {
  const named = [...form.elements].filter((input) => input.name && input.type !== "radio" && !input.matches(":disabled"));
  return Object.fromEntries(named.map((input) => [input.name, input.value]));
}

/** Return how the shopper's browser writes amounts and dates (BCP 47), or "". */
export function browserLocale() {
  try {
    const { language, script, region } = new Intl.Locale(navigator.language);
    return [language, script, region].filter(Boolean).join("-");
  } catch {
    return "";
  }
}
