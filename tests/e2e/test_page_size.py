"""The page's size: the session has one, windows have others, and nothing is cut off."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from page_user import PHONE, PROMPT

if TYPE_CHECKING:
    from page_user import Chromium
    from ptyd_user import Container, Ptyd


def test_the_window_is_filled(chromium: Chromium, bash: Container) -> None:
    """The terminal gets the size that the window holds, and gets it again when that changes."""
    person = chromium.open(bash.link())
    person.wait_for(PROMPT)
    rows, cols = person.size
    assert rows > 24
    assert cols > 100
    person.enter("stty size")
    person.wait_for(f"^{rows} {cols}$")
    person.page.set_viewport_size({"width": 600, "height": 400})
    person.page.wait_for_function(
        "cols => document.getElementById('terminal').xterm.cols < cols", arg=cols, polling=20
    )
    person.enter("stty size")

    person.wait_for("^{} {}$".format(*person.size))
    assert not person.page.is_visible("[data-scrolls]")
    assert person.page.inner_text("#size") == ""


def test_a_viewer_is_shown_all_of_another_size(chromium: Chromium, bash: Container) -> None:
    """A small window shrinks the letters; the size of the session stays."""
    person = chromium.open(bash.link())
    person.wait_for(PROMPT)
    rows, cols = person.size
    viewer = chromium.open(bash.link("view"), phone=True)
    viewer.wait_for_state("connected")
    viewer.wait_for_size(rows, cols)
    person.enter("stty size")
    viewer.wait_for(f"^{rows} {cols}$")
    screen = viewer.page.locator(".xterm-screen").bounding_box()
    stage = viewer.page.locator("#stage").bounding_box()

    assert screen is not None
    assert stage is not None
    assert viewer.evaluate("xterm.options.fontSize") < 12
    scrolls = viewer.page.locator("#stage[data-scrolls]").count() == 1
    assert scrolls == (screen["width"] > stage["width"])
    assert viewer.page.inner_text("#size") == f"{cols}\N{MULTIPLICATION SIGN}{rows}"


def test_letters_too_small_to_read_are_scrolled(chromium: Chromium, bash: Container) -> None:
    """Below the smallest font the stage scrolls, so that every cell can be seen."""
    with_size = bash.attach(rows=20, cols=400)
    try:
        viewer = chromium.open(bash.link("view"), phone=True)
        viewer.wait_for_size(20, 400)
        viewer.page.wait_for_selector("#stage[data-scrolls]")
        viewer.page.evaluate("document.getElementById('stage').scrollLeft = 1e6")

        assert viewer.page.evaluate("document.getElementById('stage').scrollLeft") > 300
    finally:
        with_size.close()


def test_a_phone_has_the_keys_it_lacks(chromium: Chromium, bash: Container) -> None:
    """Control, escape, tab and arrows are a tap away, and only there."""
    phone, desktop = chromium.open(bash.link(), phone=True), chromium.open(bash.link("view"))
    phone.wait_for(PROMPT)
    phone.type("echo tapped")
    phone.page.tap("text=ctrl")
    phone.type("a")
    phone.page.tap("text=→")
    phone.type("X")
    phone.page.tap("text=ctrl")
    phone.type("e")
    phone.page.keyboard.press("Enter")
    phone.wait_for("eXcho: command not found$")

    assert not desktop.page.is_visible("#keys")


def test_a_hidden_tab_gets_nothing_and_then_the_screen(chromium: Chromium, bash: Container) -> None:
    """It says that it is hidden; on return it is shown what there is."""
    person, other = chromium.open(bash.link()), chromium.open(bash.link())
    person.wait_for(PROMPT)
    other.wait_for(PROMPT)
    person.hide(hidden=True)
    other.enter("echo while away")
    other.wait_for("^while away$")
    other.enter("echo the second")
    other.wait_for("^the second$")
    assert "while away" not in person.text()
    person.hide(hidden=False)

    person.wait_for("^the second$")
    person.enter("echo back")
    other.wait_for("^back$")


def test_a_phones_bar_has_room_for_what_it_is_and_may(ptyd: Ptyd, chromium: Chromium) -> None:
    """The container's name and that one only watches are never cut, however many are here."""
    container = ptyd.start("--listen", "0", "--name", "brave_otter", "cat")
    viewer = chromium.open(container.link("view"), phone=True)
    with contextlib.ExitStack() as stack:
        for number in range(5):
            stack.enter_context(container.attach(name=f"somebody-{number}", rows=20, cols=70))
        viewer.page.wait_for_function("document.querySelectorAll('#people li').length === 6")
        name = viewer.page.locator("#name")
        role = viewer.page.locator("#role").bounding_box()

        assert name.evaluate("each => each.scrollWidth - each.clientWidth") <= 0
        assert name.inner_text() == "brave_otter"
        assert role is not None
        assert role["x"] + role["width"] <= PHONE["width"]
        assert viewer.page.inner_text("#size") == "70\N{MULTIPLICATION SIGN}20"
