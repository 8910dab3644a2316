"""A real Chromium, driven over a pipe by its own protocol (CDP): no driver to install, and no port to listen on.

It does what a shopper does: presses where a thing is seen, types into what has the focus, reads what is shown. Waits end with their
condition, which the page itself watches.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PATIENCE_SECONDS = 60
KEYS = {"Enter": (13, "\r"), "Tab": (9, ""), "Escape": (27, ""), " ": (32, " "), "ArrowDown": (40, "")}
SHIFT = 8

# What the tests look for, by what is seen and read aloud: a link, button or field by its name.
FINDING = r"""
(() => {
  const shown = (e) => e.checkVisibility({ checkVisibilityCSS: true });
  const text = (e) => e.textContent.replace(/\s+/g, " ").trim();
  const heard = (e) => {
    const copy = e.cloneNode(true);
    for (const silent of copy.querySelectorAll("[aria-hidden=true]")) silent.remove();
    return text(copy);
  };
  const named = (e) => e.getAttribute("aria-label") || heard(e);
  const byName = (selector, name) => {
    const all = [...document.querySelectorAll(selector)].filter(shown);
    const open = document.querySelector("dialog[open]");
    const reachable = open ? all.filter((e) => open.contains(e)) : all;
    return reachable.find((e) => named(e) === name) ?? reachable.find((e) => named(e).startsWith(name)) ?? null;
  };
  window.find_ = {
    press: (name) => byName("a, button, summary, label.option, label.check", name),
    field: (name) => {
      const label = [...document.querySelectorAll("label")].filter(shown).find((e) => text(e).startsWith(name));
      return (label && (label.control ?? null)) ?? [...document.querySelectorAll("input, select, textarea")].find((e) => named(e) === name) ?? null;
    },
    focused: () => {
      const at = document.activeElement;
      return at ? (at.labels?.length ? text(at.labels[0]) : named(at)) : "";
    },
    says: (words) => text(document.body).includes(words) || document.title.includes(words),
  };
})()
"""


# What answers a request of a page in place of the network: (status, headers, body), or None to let it through.
Answer = tuple[int, dict[str, str], bytes] | None


class NotSeen(AssertionError):
    """The page does not come to show what the test waits for."""


def browser_here() -> str | None:
    """Return the program of a Chromium on this machine."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


class Chromium:
    """One browser; each page is a shopper of its own, with a storage of its own."""

    def __init__(self, program: str, home: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        # It reads 3 and writes 4; by way of numbers that neither can be.
        read_end, write_end = (fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (to_browser, from_browser))
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{read_end} 4>&{write_end}', "bash", program, "--headless", "--no-sandbox",
             "--disable-gpu", "--remote-debugging-pipe", "--no-first-run", "--hide-scrollbars", "--lang=en-US",
             f"--user-data-dir={home}", "about:blank"],
            pass_fds=(read_end, write_end), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for fd in (to_browser, from_browser, read_end, write_end):
            os.close(fd)
        self._count = 0
        self._read = b""
        self._events: dict[str, list[dict[str, Any]]] = {}
        self._answering: dict[str, Callable[[dict[str, Any]], Answer]] = {}

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result; events that come meanwhile are kept."""
        asked = self._ask(method, session, params)
        while True:
            answer = self._next()
            if answer.get("id") == asked:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            if answer.get("method") == "Fetch.requestPaused":
                self._answer(answer["sessionId"], answer["params"])
            elif "method" in answer:
                self._events.setdefault(answer.get("sessionId", ""), []).append(answer)

    def _ask(self, method: str, session: str, params: dict[str, Any]) -> int:
        """Send a call without waiting for its result, which `call` passes over; return its number."""
        self._count += 1
        asked = {"id": self._count, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._out, json.dumps(asked).encode() + b"\0")
        return self._count

    def answer_for(self, session: str, urls: list[dict[str, str]], answer: Callable[[dict[str, Any]], Answer]) -> None:
        """Answer a page's requests to these addresses (patterns of Fetch.enable) in place of the network."""
        self._answering[session] = answer
        self.call("Fetch.enable", session, patterns=urls)

    def _answer(self, session: str, paused: dict[str, Any]) -> None:
        found = self._answering[session](paused["request"])
        if found is None:
            self._ask("Fetch.continueRequest", session, {"requestId": paused["requestId"]})
            return
        status, headers, body = found
        told = {
            "requestId": paused["requestId"],
            "responseCode": status,
            "responseHeaders": [{"name": name, "value": value} for name, value in headers.items()],
            "body": base64.b64encode(body).decode(),
        }
        self._ask("Fetch.fulfillRequest", session, told)

    def events(self, session: str) -> list[dict[str, Any]]:
        """Return what a page has told so far."""
        self.call("Runtime.evaluate", session, expression="0")
        return self._events.get(session, [])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._in], [], [], 2 * PATIENCE_SECONDS)
            part = os.read(self._in, 1 << 20) if ready else b""
            if not part:
                raise RuntimeError("the browser has ended, or does not answer")
            self._read += part
        message, _, self._read = self._read.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def new_page(self, *, width: int = 1280, height: int = 900, **media: str) -> Page:
        """Open a page of a shopper who has never been here; `media`: prefers_color_scheme="dark" and the like."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable", session)
        self.call("Page.addScriptToEvaluateOnNewDocument", session, source=FINDING)
        self.call(
            "Emulation.setDeviceMetricsOverride", session, width=width, height=height, deviceScaleFactor=1,
            mobile=width < 600,
        )  # fmt: skip
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        self.call("Emulation.setEmulatedMedia", session, features=features)
        return Page(self, session, context)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)
        os.close(self._in)
        os.close(self._out)


class Page:
    """A page, as its shopper has it before them."""

    def __init__(self, browser: Chromium, session: str, context: str) -> None:
        self._browser = browser
        self._session = session
        self._context = context

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol on this page."""
        return self._browser.call(method, self._session, **params)

    def answer_for(self, urls: list[dict[str, str]], answer: Callable[[dict[str, Any]], Answer]) -> None:
        """Answer requests to these addresses in place of the network."""
        self._browser.answer_for(self._session, urls, answer)

    def open(self, url: str) -> None:
        """Go to an address and wait until the storefront shows what belongs there."""
        self.call("Page.navigate", url=url)
        self.until(
            f"location.href.split('#')[0] === {json.dumps(url.split('#', maxsplit=1)[0])} && document.querySelector('main h1')",
            url,
        )

    def reload(self) -> None:
        """Load the page anew."""
        self.js("window.old = true")
        self.call("Page.reload")
        self.until("!window.old && document.querySelector('main')", "the page again")

    def js(self, expression: str) -> Any:
        """Return what an expression or a promise gives; what it throws is raised."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise RuntimeError(f"{expression}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def until(self, condition: str, what: str) -> None:
        """Wait until a condition holds; the page itself watches, before every frame."""
        watching = f"""new Promise((resolve) => {{
          const until = performance.now() + {PATIENCE_SECONDS * 1000};
          const look = () => {{
            let holds = false;
            try {{ holds = Boolean({condition}); }} catch {{ /* not there yet */ }}
            if (holds || performance.now() > until) resolve(holds);
            else setTimeout(look, 20);
          }};
          look();
        }})"""
        for _again in range(3):
            try:
                if self.js(watching):
                    return
                break
            except RuntimeError as error:
                # A page that is left takes its promises along.
                if not any(
                    gone in str(error)
                    for gone in ("context was destroyed", "navigated or closed", "Cannot find context")
                ):
                    raise
        raise NotSeen(f"{what!r} was not seen; the page says:\n{self.text()}")

    def sees(self, words: str) -> None:
        """Wait until the page shows these words."""
        self.until(f"find_.says({json.dumps(words)})", words)

    def text(self) -> str:
        """Return what the page shows."""
        return str(self.js("document.body.innerText.replace(document.querySelector('select')?.innerText, '')"))

    def press(self, name: str) -> None:
        """Press the link, button or option of this name where it is seen; what lies over it would be pressed instead, and is an error.

        A page that scrolls in the same moment is pressed again: it is the element that has to hear of it.
        """
        for _again in range(5):
            if self._press(name):
                return
        raise NotSeen(f"{name!r} does not hear that it is pressed")

    def _press(self, name: str) -> bool:
        found = f"find_.press({json.dumps(name)})"
        self.until(found, name)
        # Where it stands still: what has just been shown may still move.
        x, y, covered = self.js(
            f"""new Promise((resolve) => {{
              let before = "";
              const look = () => {{
                const element = {found};
                if (!element) return requestAnimationFrame(look);
                element.scrollIntoView({{ block: "center", behavior: "instant" }});
                const box = element.getClientRects()[0];
                const at = [box.x + box.width / 2, box.y + box.height / 2];
                if (String(at) !== before) {{ before = String(at); return requestAnimationFrame(look); }}
                const top = document.elementFromPoint(...at);
                window.heard_ = false;
                // Whichever stands there by then: a list may be drawn anew.
                const hear = (event) => {{ window.heard_ = Boolean({found}?.contains(event.target)); }};
                document.addEventListener("click", hear, {{ once: true, capture: true }});
                const covered = element.contains(top) ? "" : top ? top.outerHTML.slice(0, 200) : "nothing";
                return resolve([...at, covered]);
              }};
              look();
            }})"""
        )
        assert covered == "", f"{name!r} is covered by {covered}"
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        # A page that was left does not know any more.
        return self.js("window.heard_") is not False

    def fill(self, label: str, value: str) -> None:
        """Type into the field of this label, or choose there."""
        found = f"find_.field({json.dumps(label)})"
        self.until(found, label)
        if self.js(f"{found}.tagName") == "SELECT":
            chosen = (
                f"[...e.options].find((o) => o.textContent === {json.dumps(value)} || o.value === {json.dumps(value)})"
            )
            self.js(
                f"(() => {{ const e = {found}; e.value = {chosen}.value;"
                " for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, { bubbles: true })); })()"
            )
            return
        self.js(f"{found}.focus(), {found}.select()")
        self.call("Input.insertText", text=value)

    def key(self, key: str, *, shift: bool = False) -> None:
        """Press a key."""
        code, text = KEYS[key]
        common = {
            "key": key,
            "code": key if key != " " else "Space",
            "windowsVirtualKeyCode": code,
            "modifiers": SHIFT if shift else 0,
        }
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def tab_to(self, name: str) -> None:
        """Press Tab until the thing of this name has the focus, and it is seen that it has."""
        for _press in range(80):
            self.key("Tab")
            at = self.js("find_.focused()")
            if str(at).startswith(name):
                ring = self.js("getComputedStyle(document.activeElement).outlineStyle")
                assert ring != "none", f"it is not seen that {name!r} has the focus"
                return
        raise NotSeen(f"Tab never comes to {name!r}")

    def complaints(self) -> list[str]:
        """Return what the browser complained about: exceptions, console errors, what a policy stopped. Refusals of the API are not any."""
        found = []
        for event in self._browser.events(self._session):
            told = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                details = told["exceptionDetails"]
                found.append(str(details.get("exception", {}).get("description") or details["text"]))
            elif event["method"] == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
                found.append(" ".join(str(each.get("description", each.get("value"))) for each in told["args"]))
            elif (
                event["method"] == "Log.entryAdded"
                and told["entry"]["source"] != "network"
                and told["entry"]["level"] == "error"
            ):
                found.append(told["entry"]["text"])
        return found

    def transferred(self) -> dict[str, int]:
        """Return how many bytes each address has cost, as they came over the network, headers included."""
        addresses, sizes = {}, {}
        for event in self._browser.events(self._session):
            told = event["params"]
            if event["method"] == "Network.requestWillBeSent":
                addresses[told["requestId"]] = told["request"]["url"]
            elif event["method"] == "Network.loadingFinished" and told["requestId"] in addresses:
                sizes[addresses[told["requestId"]]] = int(told["encodedDataLength"])
        return sizes

    def screenshot(self, file: Path) -> None:
        """Keep a picture of what is seen."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """Close it, and forget its shopper."""
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)
