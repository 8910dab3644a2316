// Making what a page shows. Texts become text nodes, so nothing that the API says is ever read as HTML.

const ADDRESS = /^(https?:\/\/|\/(?!\/)|#|mailto:)/;

/** Make an element: h("p", { class: "quiet" }, "text", otherElement). Children that are null or false are left out. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    // An address may come from the API: no scheme but these, so that a link never runs a script.
    else if ((name === "href" || name === "src") && !ADDRESS.test(value)) continue;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...shown(children));
  return element;
}

/** Have an element hold these children and no others. */
export function fill(element, ...children) {
  element.replaceChildren(...shown(children));
  return element;
}

function shown(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Tell who listens to a screen reader. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** Return what the shell's <meta name="shop:NAME"> says, or "". */
export function setting(name) {
  return document.querySelector(`meta[name="shop:${name}"]`)?.content ?? "";
}

/** A time that passes before the next attempt. */
export const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
