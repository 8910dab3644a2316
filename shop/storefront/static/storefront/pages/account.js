// Who has signed in, and what they can change of their account.

import { changeEmail, changePassword, confirmPassword, signOut, whoAmI } from "../api.js";
import { fill, h, say } from "../dom.js";
import { alertPlace, busily, explain, field, isComplete } from "../forms.js";
import { session } from "../store.js";

export async function accountPage({ root, title, go }) {
  title("Account");
  const known = session.get();
  if (!known) return go("/sign-in?next=/account", { replace: true });
  if (known.guest) return fill(root, h("h1", {}, "Account"), ofGuest(known.email));
  let email;
  try {
    email = (await whoAmI()).data.data.user.email;
  } catch (problem) {
    if (![401, 410].includes(problem.status)) throw problem;
    session.set(null);
    return go("/sign-in?next=/account", { replace: true });
  }
  // Not once it is answered: whoever has gone on by then would be taken away from where they are.
  const leave = () => {
    signOut();
    say("You have signed out");
    go("/");
  };
  return fill(
    root,
    h("h1", {}, "Account"),
    h("p", {}, "Signed in as ", h("strong", {}, email)),
    h("p", { class: "buttons" }, h("a", { href: "/orders", class: "button" }, "Your orders"), h("button", { type: "button", class: "quiet-button", onclick: leave }, "Sign out")),
    h(
      "div",
      { class: "narrow apart" },
      change({
        words: "Change the email address",
        fields: [field("email", "New email", { type: "email", required: true, autocomplete: "email", maxlength: 254 }), password("password", "Your password", "current-password")],
        send: async (given) => {
          await confirmPassword(given.password);
          await changeEmail(given.email);
        },
        done: ({ email: wanted }) => `We have sent a link to ${wanted}. Once you follow it, that is your address.`,
      }),
      change({
        words: "Change the password",
        fields: [password("current_password", "Your password", "current-password"), password("new_password", "New password", "new-password", "Ten characters or more.")],
        send: async (given) => {
          const { data } = await changePassword(given);
          if (data?.meta?.session_token) session.set({ ...session.get(), token: data.meta.session_token });
        },
        done: () => "Your new password is set. You have been signed out everywhere else.",
      }),
      aboutData(),
    ),
  );
}

function ofGuest(email) {
  const forget = () => {
    session.end();
    location.assign("/");
  };
  return [
    h("p", {}, "You order as a guest, with ", h("strong", {}, email), ", in this browser only."),
    h("p", { class: "buttons" }, h("a", { href: "/orders", class: "button" }, "Your orders"), h("a", { href: "/sign-in?next=/account" }, "Sign in or create an account"), h("button", { type: "button", class: "quiet-button", onclick: forget }, "Forget me here")),
    h("div", { class: "narrow apart" }, aboutData()),
  ];
}

/** The API erases nobody: staff do, once they know who asks. */
const aboutData = () =>
  h(
    "details",
    { class: "extras" },
    h("summary", {}, "Your data"),
    h("p", {}, "You may have a copy of what the shop keeps about you, and have it erased. Reply to one of the mails about your orders, so that the shop knows who asks."),
    h("p", { class: "quiet" }, "Orders under way are completed first, and the shop keeps what its books need."),
  );

const password = (name, label, autocomplete, hint) => field(name, label, { type: "password", required: true, autocomplete, maxlength: 128, hint });

function change({ words, fields, send, done }) {
  const alerts = alertPlace();
  const button = h("button", { type: "submit" }, "Change it");
  const form = h("form", { novalidate: true, onsubmit: submit }, fields, alerts, button);
  return h("details", { class: "extras" }, h("summary", {}, words), form);

  async function submit(event) {
    event.preventDefault();
    if (!isComplete(form, alerts)) return;
    await busily(button, "One moment …", async () => {
      const given = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, name === "email" ? value.trim() : value]));
      try {
        await send(given);
        const told = done(given);
        form.reset();
        fill(alerts, h("p", { class: "done" }, told));
      } catch (problem) {
        explain(problem, alerts, form);
      }
    });
  }
}
