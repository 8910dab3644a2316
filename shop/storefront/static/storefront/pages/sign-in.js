// Accounts: signing in and up, a second factor, and the pages to which mails about accounts lead.

import { Problem, requestPasswordReset, resetPassword, secondFactor, signIn, signUp, verifyEmail } from "../api.js";
import { fill, h } from "../dom.js";
import { alertPlace, busily, explain, field, isComplete } from "../forms.js";
import { notice, session } from "../store.js";

export function signInPage({ root, query, title, go }) {
  const isNew = location.pathname.endsWith("/signup") || query.get("new") === "1";
  const next = ownPath(query.get("next"));
  title(isNew ? "New account" : "Sign in");
  const other = (words, parameters) => h("a", { href: `/sign-in?${new URLSearchParams({ ...parameters, next })}` }, words);
  accountForm({
    root,
    heading: isNew ? "New account" : "Sign in",
    fields: [emailField(), passwordField(isNew)],
    button: isNew ? "Create the account" : "Sign in",
    below: [
      h("p", {}, isNew ? ["You already have an account? ", other("Sign in", {})] : ["New here? ", other("Create an account", { new: "1" })]),
      !isNew && h("p", {}, h("a", { href: "/account/password/reset" }, "Forgot your password?")),
    ],
    next,
    send: ({ email, password }) => (isNew ? signUp : signIn)(email, password),
    done: ({ data }, { email }) => signedIn(data, email, () => go(next, { replace: true })),
  });
}

/** A sign-in that is not at its end: say what is missing. */
function pending(problem, { root, email, next, go }) {
  const flows = (problem.body.data?.flows ?? []).filter((flow) => flow.is_pending).map((flow) => flow.id);
  if (flows.includes("verify_email")) {
    fill(root, h("h1", {}, "Check your email"), h("p", {}, `We have sent a link to ${email}. Open it to sign in.`));
    return true;
  }
  if (flows.includes("mfa_authenticate")) {
    accountForm({
      root,
      heading: "Second factor",
      fields: [field("code", "Code", { required: true, autocomplete: "one-time-code", inputmode: "numeric", maxlength: 20 })],
      button: "Continue",
      send: ({ code }) => secondFactor(code, problem.body.meta.session_token),
      done: ({ data }) => signedIn(data, email, () => go(next), problem.body.meta.session_token),
    });
    return true;
  }
  return false;
}

function signedIn(data, email, onward, token) {
  session.set({ token: data.meta.session_token ?? token, email: data.data.user.email ?? email, guest: false });
  onward();
}

export async function verifyPage({ root, params, title, go }) {
  title("Your address");
  const button = h("button", { type: "button", class: "main", onclick: confirm }, "Confirm my address");
  const alerts = alertPlace();
  // By a press and not at once: scanners of mail follow links.
  fill(root, h("h1", {}, "Confirm your address"), h("p", {}, "You created an account with this address, or changed your account to it."), alerts, button);

  async function confirm() {
    await busily(button, "One moment …", async () => {
      try {
        const { data } = await verifyEmail(params[0]);
        const token = data.meta.session_token ?? session.get()?.token;
        if (token) session.set({ token, email: data.data.user.email, guest: false });
        go("/account", { replace: true });
      } catch (problem) {
        // 401: it is confirmed, and nobody is signed in here.
        if (problem.status !== 401) {
          explain(problem, alerts);
          return alerts.append(h("p", {}, "If the link has expired, ", h("a", { href: "/sign-in" }, "sign in"), " and we send you a new one."));
        }
        notice.leave("Your address is confirmed. Please sign in.");
        go("/sign-in", { replace: true });
      }
    });
  }
}

export function resetPage({ root, title }) {
  title("New password");
  accountForm({
    root,
    heading: "Forgot your password?",
    fields: [emailField()],
    button: "Send me a link",
    send: ({ email }) => requestPasswordReset(email),
    done: () => fill(root, h("h1", {}, "Check your email"), h("p", { role: "status" }, "If there is an account with this address, a mail with a link is on its way.")),
  });
}

export function newPasswordPage({ root, params, title, go }) {
  title("New password");
  const arrived = () => {
    notice.leave("Your new password is set. Please sign in.");
    go("/sign-in", { replace: true });
  };
  accountForm({
    root,
    heading: "New password",
    fields: [passwordField(true)],
    button: "Set the password",
    below: h("p", {}, "Is the link no longer valid? ", h("a", { href: "/account/password/reset" }, "Request a new one")),
    send: ({ password }) =>
      resetPassword(params[0], password).catch((problem) => {
        if (problem.status !== 401) throw problem;
      }),
    done: arrived,
  });
}

const emailField = () => field("email", "Email", { type: "email", required: true, autocomplete: "username", maxlength: 254 });
const passwordField = (isNew) =>
  field("password", "Password", {
    type: "password",
    required: true,
    autocomplete: isNew ? "new-password" : "current-password",
    maxlength: 128,
    hint: isNew ? "Ten characters or more." : undefined,
  });

function accountForm({ root, heading, fields, button: words, below = [], next = "/", send, done }) {
  const alerts = alertPlace();
  const button = h("button", { type: "submit", class: "main wide" }, words);
  const form = h("form", { class: "narrow", novalidate: true, onsubmit: submit }, fields, alerts, button, below);
  fill(root, h("h1", {}, heading), form);
  const left = notice.take();
  if (left) fill(alerts, h("p", { class: "alert" }, left instanceof Problem ? left.message : left));

  async function submit(event) {
    event.preventDefault();
    if (!isComplete(form, alerts)) return;
    await busily(button, "One moment …", async () => {
      const given = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, name === "password" ? value : value.trim()]));
      try {
        done(await send(given), given);
      } catch (problem) {
        if (problem.status === 401 && pending(problem, { root, email: given.email, next, go: (address) => location.assign(address) })) return;
        explain(problem, alerts, form);
      }
    });
  }
}

/** A path of this storefront and nothing else: a link could name any place to go on to. */
function ownPath(next) {
  try {
    const address = new URL(next, location.origin);
    return next.startsWith("/") && address.origin === location.origin ? address.pathname + address.search : "/";
  } catch {
    return "/";
  }
}
