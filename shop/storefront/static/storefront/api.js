// The public REST API, and sign-in as it documents it. Every refusal becomes a Problem; nothing here knows the page.

import { wait } from "./dom.js";
import { orderTokens, session } from "./store.js";

const API = "/api/v1";
const SIGN_IN = "/_allauth/app/v1";
const PATIENCE = 3;

/** A refusal in the API's words (RFC 9457), or the network's. */
export class Problem extends Error {
  constructor({ status = 0, title, detail = "", code, errors = [], facts = {}, retryAfter = null, body = {} }) {
    super(title);
    // Some details are the title over again, with a code for programs behind it.
    const repeats = detail.toLowerCase().startsWith(title.toLowerCase());
    Object.assign(this, { status, title, detail: repeats ? "" : detail, code, errors, facts, retryAfter, body });
  }

  /** A member of the body, or of the facts beside it. */
  member(name) {
    return this.body[name] ?? this.facts[name];
  }
}

/** Send a request; return { status, data, etag, retryAfter }. `data` is null where nothing has changed (304). */
async function send(method, url, { body, headers = {}, signal } = {}) {
  const said = { Accept: "application/json", ...headers };
  if (body !== undefined) said["Content-Type"] = "application/json";
  let answer;
  let data = null;
  try {
    answer = await fetch(url, { method, headers: said, body: body && JSON.stringify(body), signal });
    const text = await answer.text();
    data = text ? JSON.parse(text) : null;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw answer ? unreadable(answer) : offline();
  }
  const retryAfter = seconds(answer.headers.get("Retry-After"));
  if (answer.ok || answer.status === 304) {
    return { status: answer.status, data, etag: answer.headers.get("ETag"), retryAfter };
  }
  if (!data?.title) throw unreadable(answer);
  throw new Problem({ ...data, status: answer.status, retryAfter, body: data });
}

const offline = () =>
  new Problem({
    code: "offline",
    title: navigator.onLine ? "The shop cannot be reached" : "You are offline",
    detail: "Nothing is lost: please try again in a moment.",
  });

const unreadable = (answer) =>
  new Problem({
    status: answer.status,
    code: "unreadable",
    title: "The shop's answer could not be read",
    detail: "Please try again in a moment.",
  });

function seconds(header) {
  return header && /^\d+$/.test(header) ? Number(header) : null;
}

/**
 * Send a request again where the shop asks for patience (429 and 503 with Retry-After). What changes something brings its
 * Idempotency-Key, so that a repetition does nothing twice. `onWait(problem, seconds)` tells the shopper.
 */
async function patiently(request, { onWait, patience = PATIENCE } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request();
    } catch (problem) {
      const asks = problem instanceof Problem && [429, 503].includes(problem.status) && problem.retryAfter !== null;
      if (!asks || attempt >= patience || problem.retryAfter > 15 || problem.member("order_id")) throw problem;
      onWait?.(problem, problem.retryAfter);
      await wait(problem.retryAfter || 1);
    }
  }
}

/** Return the headers that say who asks: whoever has signed in, or whose `given` token it is. */
function who(orderId, given) {
  const headers = {};
  const bearer = given ?? session.get()?.token;
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  const token = orderId && orderTokens.get(orderId);
  if (token) headers["X-Order-Token"] = token;
  return headers;
}

function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

// --- products ------------------------------------------------------------------------------------------------------------

export const products = (query, options) => patiently(() => send("GET", withQuery(`${API}/products`, query), options));
export const product = (sku, options) =>
  patiently(() => send("GET", `${API}/products/${encodeURIComponent(sku)}`, options));
export const categories = () => patiently(() => send("GET", `${API}/categories`));

/** Follow a page's `next`: the API names it as a whole address, of which only what is behind the host counts. */
export function page(address) {
  const { pathname, search } = new URL(address, location.href);
  return patiently(() => send("GET", pathname + search, { headers: pathname.endsWith("/orders") ? who() : {} }));
}

// --- quotes and orders -----------------------------------------------------------------------------------------------------

/** Ask for a price, as whoever has signed in: some codes are good once for each. */
export async function quote(body, options) {
  try {
    return await patiently(() => send("POST", `${API}/quotes`, { body, headers: who(), ...options }));
  } catch (problem) {
    if (problem.status !== 401) throw problem;
    session.set(null);
    return send("POST", `${API}/quotes`, { body, ...options });
  }
}

export const becomeGuest = (email) => patiently(() => send("POST", `${API}/guests`, { body: { email } }));

export const placeOrder = (body, key, options = {}) =>
  patiently(() => send("POST", `${API}/orders`, { body, headers: { ...who("", options.token), "Idempotency-Key": key } }), options);

export const orders = () => patiently(() => send("GET", `${API}/orders`, { headers: who() }));

export async function order(id, { etag, token } = {}) {
  const headers = who(id, token);
  if (etag) headers["If-None-Match"] = etag;
  try {
    return await send("GET", `${API}/orders/${id}`, { headers });
  } catch (problem) {
    // A mail's link that is over decides before a session does: whoever has signed in goes on without it.
    if (problem.status !== 401 || !headers["X-Order-Token"]) throw problem;
    orderTokens.forget(id);
    if (!headers.Authorization) throw problem;
    return send("GET", `${API}/orders/${id}`, { headers: who(id) });
  }
}

const change = (id, what, body, key, options = {}) =>
  patiently(
    () => send("POST", `${API}/orders/${id}/${what}`, { body, headers: { ...who(id, options.token), "Idempotency-Key": key } }),
    options,
  );
export const payOrder = (id, body, key, options) => change(id, "payment", body, key, options);
export const extendHold = (id, key, options) => change(id, "extend-hold", {}, key, options);
export const cancelOrder = (id, key, options) => change(id, "cancel", {}, key, options);

/** Return the receipt as a file. Not by a plain link: the token travels in a header, never in an address. */
export async function receipt(id) {
  let answer;
  try {
    answer = await fetch(`${API}/orders/${id}/receipt`, { headers: { ...who(id), Accept: "application/pdf" } });
  } catch {
    throw offline();
  }
  if (answer.ok) return answer.blob();
  const data = await answer.json().catch(() => ({}));
  throw data.title ? new Problem({ ...data, status: answer.status, body: data }) : unreadable(answer);
}

export const lookUpOrder = (number, email) =>
  patiently(() => send("POST", `${API}/order-lookups`, { body: { number, email } }));

// --- accounts: the sign-in's own addresses ----------------------------------------------------------------------------------

const account = (path, body, token) =>
  send("POST", SIGN_IN + path, { body, headers: token ? { "X-Session-Token": token } : {} });

export const signIn = (email, password) => account("/auth/login", { email, password });
export const signUp = (email, password) => account("/auth/signup", { email, password });
export const secondFactor = (code, token) => account("/auth/2fa/authenticate", { code }, token);
export const verifyEmail = (key) => account("/auth/email/verify", { key }, session.get()?.token);
export const requestPasswordReset = (email) => account("/auth/password/request", { email });
export const resetPassword = (key, password) => account("/auth/password/reset", { key, password });

const own = () => session.get()?.token;
export const whoAmI = () => send("GET", `${SIGN_IN}/auth/session`, { headers: { "X-Session-Token": own() } });
/** Give the password again: for five minutes the address can be changed. */
export const confirmPassword = (password) => account("/auth/reauthenticate", { password }, own());
export const changeEmail = (email) => account("/account/email", { email }, own());
export const changePassword = (passwords) => account("/account/password/change", passwords, own());

/** End the session; the answer to that is 401, since nobody is signed in any more. */
export async function signOut() {
  const known = session.get();
  session.end();
  if (!known || known.guest) return;
  await send("DELETE", `${SIGN_IN}/auth/session`, { headers: { "X-Session-Token": known.token } }).catch(() => null);
}
