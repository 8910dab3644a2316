// For a guest without the mail at hand: the order's link is sent to the order's own address. The answer never tells
// whether there is such an order.

import { lookUpOrder } from "../api.js";
import { fill, h } from "../dom.js";
import { alertPlace, busily, explain, field, isComplete } from "../forms.js";

export function findOrderPage({ root, title }) {
  title("Find an order");
  const alerts = alertPlace();
  const button = h("button", { type: "submit", class: "main" }, "Send me its link");
  const form = h(
    "form",
    { class: "narrow", novalidate: true, onsubmit: submit },
    field("number", "Order number", { required: true, autocomplete: "off", maxlength: 64, hint: "It is in the mail about your order." }),
    field("email", "Email", { type: "email", required: true, autocomplete: "email", maxlength: 254 }),
    alerts,
    button,
  );
  fill(root, h("h1", {}, "Find an order"), form);

  async function submit(event) {
    event.preventDefault();
    if (!isComplete(form, alerts)) return;
    await busily(button, "One moment …", async () => {
      try {
        await lookUpOrder(form.elements.number.value.trim(), form.elements.email.value.trim());
        fill(form, h("p", { class: "done", role: "status" }, "If there is such an order, a mail with its link is on its way."));
      } catch (problem) {
        explain(problem, alerts, form);
      }
    });
  }
}
