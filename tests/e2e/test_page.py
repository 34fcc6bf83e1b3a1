"""The page in a browser: what a person sees, types and is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from page_user import NO_WEBGL, PROMPT, WEBGL, Chromium
from reverse_proxy import ReverseProxy

if TYPE_CHECKING:
    from playwright.sync_api import Playwright, WebSocketRoute

    from ptyd_user import Container, Ptyd


def test_a_person_types_and_sees(chromium: Chromium, bash: Container) -> None:
    """What is typed reaches the program, what it prints is shown, as it is."""
    person = chromium.open(bash.link())
    assert person.wait_for_state("connected") == "connected"
    person.wait_for(PROMPT)
    person.enter("echo $((6*7)) 'wörld 你好' | tr a-z A-Z")

    person.wait_for("^42 WöRLD 你好$")
    assert person.page.inner_text("#name") == bash.name


def test_the_token_is_seen_by_nobody(chromium: Chromium, bash: Container) -> None:
    """It leaves the address at once, and is in no request but the handshake's subprotocol."""
    link = bash.link()
    token = link.partition("#t=")[2]
    person = chromium.open(link)
    person.wait_for_state("connected")

    assert person.page.url == link.partition("#")[0]
    assert len(person.requests) >= 4  # the page, its script and style, the WebSocket
    assert [url for url in person.requests if token in url] == []
    assert person.page.evaluate("localStorage.length") == 0


def test_a_damaged_link_is_told(chromium: Chromium, bash: Container) -> None:
    """Without a token, and with one that is not accepted, the page says what is wrong."""
    link = bash.link()
    without = chromium.open(link.partition("#")[0])
    wrong = chromium.open(link[:-4] + "AAAA")
    assert "Open the whole link" in without.wait_for_notice()
    assert "not accepted" in wrong.wait_for_notice()

    assert wrong.wait_for_state("refused") == "disconnected"


def test_two_people_share_one_session(chromium: Chromium, bash: Container) -> None:
    """Both see what either types."""
    one, other = chromium.open(bash.link()), chromium.open(bash.link())
    one.wait_for(PROMPT)
    other.wait_for(PROMPT)
    one.enter("x=one")
    other.wait_for("x=one$")
    other.enter("echo $x and the other")

    one.wait_for("^one and the other$")
    other.wait_for("^one and the other$")


def test_who_watches_cannot_type(chromium: Chromium, bash: Container) -> None:
    """A view link shows everything, says so, and sends nothing."""
    viewer, person = chromium.open(bash.link("view")), chromium.open(bash.link())
    viewer.wait_for(PROMPT)
    viewer.enter("echo never")
    viewer.page.evaluate("document.getElementById('terminal').xterm.paste('never')")
    person.wait_for(PROMPT)
    person.enter("echo done")
    text = viewer.wait_for("^done$")

    assert "never" not in text
    assert viewer.page.is_visible("#role")
    assert viewer.page.inner_text("#role") == "read-only"
    assert not person.page.is_visible("#role")


@pytest.mark.parametrize(
    ("command", "words"),
    [("exit 3", "ended with status 3"), ("kill -9 $$", "ended with status 137 (SIGKILL)")],
)
def test_the_end_is_told(chromium: Chromium, bash: Container, command: str, words: str) -> None:
    """The exit status is shown, and the last output stays."""
    person = chromium.open(bash.link())
    person.wait_for(PROMPT)
    person.enter(f"echo last words; {command}")

    assert person.wait_for_state("ended") == words
    assert "last words" in person.text()


def test_a_reload_resumes(chromium: Chromium, bash: Container) -> None:
    """The link is not needed again, and typing goes on as the same client."""
    person = chromium.open(bash.link())
    person.wait_for(PROMPT)
    person.enter("echo before")
    person.wait_for("^before$")
    person.page.reload()
    person.wait_for("^before$")
    person.enter("echo after")

    person.wait_for("^after$")


def test_a_copy_of_the_tab_is_another_client(chromium: Chromium, bash: Container) -> None:
    """A browser copies a tab's storage along; the two must not type as one."""
    person = chromium.open(bash.link())
    person.wait_for(PROMPT)
    kept = person.page.evaluate("Object.keys(sessionStorage)")

    assert [key.partition(":")[0] for key in kept] == ["ptyd.access"]


@pytest.mark.parametrize("arguments", [WEBGL, NO_WEBGL], ids=["webgl", "elements"])
def test_both_renderers_keep_the_policy(
    playwright: Playwright, bash: Container, arguments: list[str]
) -> None:
    """Colours, links and alternate screens break no content security policy, drawn either way."""
    browser = Chromium(playwright, *arguments)
    try:
        person = browser.open(bash.link())
        person.wait_for(PROMPT)
        person.enter(
            r"printf '\e[1;38;2;255;100;0;48;5;17mtrue\e[0m\e[?1049h\e[3;4;58;2;1;2;3munder\e[0m"
            r"\e[?1049l\e]8;;http://127.0.0.1/\e\\link\e]8;;\e\\\n'"
        )
        person.wait_for("^truelink$")
        renderer = person.page.get_attribute("#terminal", "data-renderer")
        sheets = person.page.evaluate("document.adoptedStyleSheets.length")
    finally:
        browser.close()  # fails if there was a violation

    assert renderer == ("webgl" if arguments is WEBGL else "elements")
    assert sheets > 0


def test_a_lost_webgl_context_is_replaced(playwright: Playwright, bash: Container) -> None:
    """Browsers take contexts away; the page goes on drawing without."""
    browser = Chromium(playwright, *WEBGL)
    try:
        person = browser.open(bash.link())
        person.wait_for(PROMPT)
        person.page.evaluate(
            """() => {
              for (const canvas of document.querySelectorAll("#terminal canvas")) {
                canvas.getContext("webgl2")?.getExtension("WEBGL_lose_context")?.loseContext();
              }
            }"""
        )
        person.page.wait_for_selector("#terminal[data-renderer=elements]")
        person.enter("echo still here")

        person.page.wait_for_selector("#terminal .xterm-rows >> text=still here")
    finally:
        browser.close()


def test_output_is_never_html(chromium: Chromium, bash: Container) -> None:
    """Tags are text, in the terminal and in the title."""
    person = chromium.open(bash.link())
    person.wait_for(PROMPT)
    person.enter(
        r"""printf '<img src=x onerror=alert(1)>\n\e]2;<b>title</b>\a\e]8;;javascript:alert(1)\a"""
        r"""<script>\e]8;;\a\n'"""
    )
    person.wait_for("^<script>$")

    assert "<img src=x onerror=alert(1)>" in person.text()
    assert person.page.title() == "<b>title</b>"
    assert person.page.locator("img, b, #terminal script").count() == 0


def test_the_clipboard_is_asked_for(chromium: Chromium, bash: Container) -> None:
    """OSC 52 writes once the user allowed it, and reads nothing ever."""
    person = chromium.open(bash.link(), permissions=["clipboard-read", "clipboard-write"])
    person.wait_for(PROMPT)
    person.page.evaluate("navigator.clipboard.writeText('mine')")
    person.enter(r"printf '\e]52;c;?\a\e]52;c;dGhlaXJz\a'; read -t 1 -n 1; echo got=$REPLY")
    assert "copy 6 characters" in person.wait_for_notice()
    person.wait_for("^got=$")
    assert person.page.evaluate("navigator.clipboard.readText()") == "mine"
    person.page.click("text=Allow")

    person.page.wait_for_function(
        "navigator.clipboard.readText().then(text => text === 'theirs')", polling=50
    )


def test_who_is_here_is_shown(chromium: Chromium, bash: Container) -> None:
    """Names are text, and who typed last stands out."""
    people = [
        {"id": 1, "name": "ada", "role": "control", "typed": True},
        {"id": 2, "name": "<b>bob</b>", "role": "view", "typed": False},
        {"id": 3},
    ]
    event = json.dumps({"event": "clients", "count": 5, "clients": people})
    person = chromium.open("about:blank")

    def tell(socket: WebSocketRoute) -> None:
        # Said in place of what the server says of clients, which comes later.
        server = socket.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            told = b'"event":"clients"' in message  # type: ignore[operator]
            socket.send(b"\x03" + event.encode() if told else message)

        server.on_message(pass_on)

    person.page.route_web_socket("**/ws", tell)
    person.page.goto(bash.link())
    person.page.wait_for_selector("#people li >> nth=3")

    assert person.page.locator("#people li").all_inner_texts() == [
        "ada (you)",
        "<b>bob</b>",
        "someone",
        "and 2 more",
    ]
    assert person.page.locator("#people [data-typed]").all_inner_texts() == ["ada (you)"]


def test_it_works_under_a_prefix(chromium: Chromium, bash: Container) -> None:
    """Every address on the page is relative: a reverse proxy may put it anywhere."""
    with ReverseProxy(bash.port(), "/some/where/") as proxy:
        person = chromium.open(proxy.link(bash.link()))
        person.wait_for(PROMPT)
        person.enter("echo through")
        person.wait_for("^through$")
        person.page.reload()
        person.wait_for("^through$")
        person.page.close()

    assert len(proxy.requests) >= 4
    assert all(line.split()[1].startswith("/some/where/") for line in proxy.requests)
    assert any(line.startswith("GET /some/where/ws ") for line in proxy.requests)


def test_pipes_are_typed_into(chromium: Chromium, ptyd: Ptyd) -> None:
    """A session without a terminal: lines, an end-of-file, and stderr apart."""
    box = ptyd.start("--no-tty", "sh", "-c", "cat; echo oops >&2; exit 5")
    person = chromium.open(box.link())
    person.wait_for_state("connected")
    person.enter("a line")
    person.wait_for(r"^a line\na line$")
    person.page.keyboard.press("Control+d")

    assert person.wait_for_state("ended") == "ended with status 5"
    person.wait_for("^oops$")
