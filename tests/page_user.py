"""A person at the page: headless Chromium with an eye on everything that must not happen there."""

from __future__ import annotations

import contextlib
import re
import shutil
from typing import TYPE_CHECKING, Any

from playwright.sync_api import TimeoutError as TooLate
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

PATIENCE_MS = 40_000
DESKTOP = {"width": 1000, "height": 640}
PHONE = {"width": 390, "height": 780}
PROMPT = r"^now> $"
"""What the fixture ``bash`` prompts with."""
_ARGUMENTS = [
    "--no-sandbox",  # Chromium's own does not work for root
    "--disable-breakpad",
    "--disable-dev-shm-usage",
    # It reaches this machine and nothing else, whatever it wants to look up.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
# Drawn by the processor, WebGL takes several times what all else does: for tests of it alone.
WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
NO_WEBGL = ["--disable-3d-apis", "--disable-gpu"]

_TEXT = """() => {
  const buffer = document.getElementById("terminal").xterm.buffer.active;
  let text = "";
  for (let row = 0; row < buffer.length; row++) {
    const line = buffer.getLine(row);
    text += (row > 0 && !line.isWrapped ? "\\n" : "") + line.translateToString(true);
  }
  return text.replace(/\\n+$/, "");
}"""


@contextlib.contextmanager
def driver() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


class Chromium:
    """One browser. Each ``open`` is a person of their own: own storage, own window."""

    def __init__(self, playwright: Playwright, *arguments: str) -> None:
        program = shutil.which("chromium")
        assert program is not None, "chromium is not installed: scripts/setup test"
        self._browser: Browser = playwright.chromium.launch(
            executable_path=program, args=[*_ARGUMENTS, *(arguments or NO_WEBGL)]
        )
        self._people: list[PageUser] = []

    def open(self, link: str, *, phone: bool = False, **settings: Any) -> PageUser:
        context = self._browser.new_context(
            viewport=PHONE if phone else DESKTOP,  # type: ignore[arg-type]
            # The pixel ratio stays 1: the canvas of WebGL does not follow an emulated one.
            has_touch=phone,
            is_mobile=phone,
            **settings,
        )
        context.set_default_timeout(PATIENCE_MS)
        person = PageUser(context)
        self._people.append(person)
        person.page.goto(link)
        return person

    def close(self) -> None:
        """Close, and fail if a page did something that no page may do."""
        complaints = [line for person in self._people for line in person.complaints]
        self._browser.close()

        assert complaints == []


class PageUser:
    """One tab. ``complaints`` are CSP violations, exceptions and console errors."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        self.page.on("console", lambda message: self._on_console(message.type, message.text))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))

    def _on_console(self, kind: str, text: str) -> None:
        # A connection that breaks is no fault of the page: some tests break it.
        if kind == "error" and not re.search(r"WebSocket connection|net::ERR_", text):
            self.complaints.append(text)

    # What is seen

    def text(self) -> str:
        """Return all that the terminal holds, wrapped lines joined."""
        text = self.page.evaluate(_TEXT)
        assert isinstance(text, str)
        return text

    def wait_for(self, pattern: str) -> str:
        """Wait until the terminal shows what a regular expression (of JavaScript) finds."""
        test = f"pattern => new RegExp(pattern, 'm').test(({_TEXT})())"
        try:
            self.page.wait_for_function(test, arg=pattern, polling=20)
        except TooLate as error:
            raise AssertionError(f"no {pattern!r} in {self.text()!r}") from error
        return self.text()

    def wait_for_state(self, state: str) -> str:
        """Wait for a state of the connection; return the words that tell it."""
        self.page.wait_for_selector(f"#state[data-state={state}]")
        return self.page.inner_text("#state")

    def wait_for_notice(self) -> str:
        self.page.wait_for_selector("#notice:not([hidden])")
        return self.page.inner_text("#notice span")

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the terminal."""
        rows, cols = self.evaluate("[xterm.rows, xterm.cols]")
        return rows, cols

    def wait_for_size(self, rows: int, cols: int) -> None:
        self.page.wait_for_function(
            "([rows, cols]) => { const { xterm } = document.getElementById('terminal');"
            " return xterm.rows === rows && xterm.cols === cols }",
            arg=[rows, cols],
            polling=20,
        )

    def evaluate(self, expression: str) -> Any:
        """Evaluate with ``xterm``, the page's terminal."""
        return self.page.evaluate(
            f"() => {{ const {{ xterm }} = document.getElementById('terminal'); "
            f"return {expression} }}"
        )

    def picture(self, path: Path) -> None:
        self.page.screenshot(path=path)

    # What is done

    def type(self, text: str) -> None:
        """Type key by key."""
        self.page.keyboard.type(text)

    def enter(self, line: str) -> None:
        self.type(line)
        self.page.keyboard.press("Enter")

    def paste(self, text: str) -> None:
        self.page.evaluate(
            "text => document.getElementById('terminal').xterm.paste(text)",
            text,
        )

    def hide(self, *, hidden: bool) -> None:
        """Hide the tab, as far as the page can tell: headless tabs are never hidden."""
        state = "hidden" if hidden else "visible"
        self.page.evaluate(
            """state => {
              Object.defineProperty(document, "hidden",
                { value: state === "hidden", configurable: true });
              document.dispatchEvent(new Event("visibilitychange"));
            }""",
            state,
        )
