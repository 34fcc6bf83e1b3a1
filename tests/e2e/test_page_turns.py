"""The page with several people: whose turn it is, names, and whose terminal answers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from page_user import PROMPT
from reverse_proxy import ReverseProxy

if TYPE_CHECKING:
    from pathlib import Path

    from page_user import Chromium, PageUser
    from ptyd_user import Container, Ptyd


@pytest.fixture
def turns(ptyd: Ptyd) -> Container:
    """Bash, where one types at a time."""
    return ptyd.start("--one-driver", "-e", "PS1=now> ", "bash", "--norc")


def wait_for_turn(person: PageUser, words: str) -> None:
    person.page.wait_for_selector(f"#turn span:text-is({words!r})")


def rename(person: PageUser, name: str) -> None:
    person.page.click("#people button")
    person.page.fill("#rename-name", name)
    person.page.keyboard.press("Enter")
    person.page.wait_for_selector(f"#people button:text-is({name + ' (you)'!r})")


def open_as(chromium: Chromium, link: str, name: str) -> PageUser:
    person = chromium.open(link)
    person.wait_for(PROMPT)
    rename(person, name)
    return person


def test_one_asks_and_the_other_grants(
    chromium: Chromium, turns: Container, tmp_path: Path
) -> None:
    """Who does not drive types nothing, is told so, asks with a click, and is given the turn."""
    ada = open_as(chromium, turns.link(), "ada")
    bob = open_as(chromium, turns.link(), "bob")
    wait_for_turn(ada, "you drive")
    wait_for_turn(bob, "ada drives")
    bob.type("never")
    wait_for_turn(bob, "ada drives: your keys are not sent")
    bob.picture(tmp_path / "hint.png")
    bob.page.click("#turn button:text-is('Ask to drive')")
    wait_for_turn(bob, "ada drives, you asked: your keys are not sent")
    assert bob.page.locator("#turn button").count() == 0
    wait_for_turn(ada, "bob asks to drive")
    ada.picture(tmp_path / "asked.png")
    ada.page.click("#turn button:text-is('Let bob drive')")
    wait_for_turn(bob, "you drive")
    wait_for_turn(ada, "bob drives")
    # The click took no focus: bob's keys go to the program, ada's go nowhere.
    ada.type("never")
    wait_for_turn(ada, "bob drives: your keys are not sent")
    bob.enter("echo mine")
    text = ada.wait_for("^mine$")

    assert "never" not in text
    assert ada.page.locator("#people [data-drives]").all_inner_texts() == ["bob"]


def test_a_viewer_only_sees_who_drives(
    chromium: Chromium, turns: Container, tmp_path: Path
) -> None:
    """No buttons, no hints, also in the narrow bar of a phone."""
    ada = open_as(chromium, turns.link(), "ada")
    viewer = chromium.open(turns.link("view"), phone=True)
    wait_for_turn(viewer, "ada drives")
    viewer.type("never")
    ada.enter("echo done")
    viewer.wait_for("^done$")
    viewer.picture(tmp_path / "viewer.png")

    assert viewer.page.inner_text("#turn") == "ada drives"
    assert viewer.page.locator("#turn button").count() == 0
    turn, role = (viewer.page.locator(name).bounding_box() for name in ("#turn", "#role"))
    assert turn is not None
    assert role is not None
    assert turn["x"] + turn["width"] <= role["x"]
    assert role["x"] + role["width"] <= 390


def test_a_phone_has_room_for_the_turn(
    chromium: Chromium, turns: Container, tmp_path: Path
) -> None:
    """What to ask with is within reach, also beside the longest words."""
    open_as(chromium, turns.link(), "ada")
    phone = chromium.open(turns.link(), phone=True)
    wait_for_turn(phone, "ada drives")
    phone.type("never")
    wait_for_turn(phone, "ada drives: your keys are not sent")
    phone.picture(tmp_path / "phone.png")
    box = phone.page.locator("#turn button").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390
    phone.page.tap("#turn button")

    phone.page.wait_for_selector("#turn span:text('you asked')")


def test_a_driver_who_left_is_followed(chromium: Chromium, turns: Container) -> None:
    """Who asked drives then; where nobody asked, who types does."""
    ada = open_as(chromium, turns.link(), "ada")
    bob = open_as(chromium, turns.link(), "bob")
    wait_for_turn(bob, "ada drives")
    ada.page.close()
    wait_for_turn(bob, "nobody drives: who types does")
    bob.enter("echo alone")
    bob.wait_for("^alone$")

    wait_for_turn(bob, "you drive")


def test_where_all_may_type_there_are_no_turns(chromium: Chromium, bash: Container) -> None:
    """Nothing in the bar speaks of driving."""
    person = open_as(chromium, bash.link(), "ada")

    assert not person.page.is_visible("#turn")


def test_a_name_is_text_and_is_kept(chromium: Chromium, bash: Container, tmp_path: Path) -> None:
    """Others see it at once, and again after a reload; it is never HTML; it can be left."""
    name = "<b>ada</b>"
    ada = open_as(chromium, bash.link(), name)
    other = chromium.open(bash.link("view"))
    other.page.wait_for_selector(f"#people li:text-is({name!r})")
    ada.page.reload()
    ada.page.wait_for_selector(f"#people button:text-is({name + ' (you)'!r})")
    ada.page.click("#people button")
    ada.page.fill("#rename-name", "eve")
    ada.picture(tmp_path / "rename.png")
    ada.page.keyboard.press("Escape")
    ada.page.wait_for_function("() => document.activeElement?.matches('.xterm-helper-textarea')")
    ada.wait_for(PROMPT)
    ada.enter("echo focused")
    ada.wait_for("^focused$")

    assert ada.page.locator("#people b").count() == 0
    assert ada.page.evaluate("Object.entries(localStorage)") == [["ptyd.name", name]]


def test_a_query_is_answered_once(chromium: Chromium, bash: Container) -> None:
    """Of two pages one answers: who typed last."""
    ask = r"printf '\e[5n'; IFS= read -r -d n; read -rt 1 -n 9"
    one, other = chromium.open(bash.link()), chromium.open(bash.link())
    one.wait_for(PROMPT)
    other.wait_for(PROMPT)
    for person in (one, other):
        # Without an echo from the start: the reply may be there before the first read.
        person.enter(f"clear; stty -echo; {ask}; stty echo; echo ${{#REPLY}}")
        person.wait_for(r"^0\nnow> $")
        person.enter("echo clean")
        person.wait_for("^now> echo clean\nclean$")


def test_coming_back_does_not_take_the_size(chromium: Chromium, bash: Container) -> None:
    """Nor does coming: who is active has it; typing takes it."""
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(ReverseProxy(bash.port()))
        person = chromium.open(proxy.link(bash.link()))
        person.wait_for(PROMPT)
        rows, cols = person.size
        typist = stack.enter_context(bash.attach(rows=20, cols=70))
        typist.type(b"echo first\r")
        person.wait_for("^first$")
        person.wait_for_size(20, 70)
        proxy.cut()
        typist.type(b"echo between\r")
        person.wait_for("^between$")
        typist.type(b"stty size\r")
        person.wait_for("^20 70$")
        assert person.size == (20, 70)
        person.enter("echo mine")
        person.wait_for_size(rows, cols)
        person.page.close()


def test_on_a_phone_ones_name_can_be_changed_while_another_drives(
    chromium: Chromium, turns: Container, tmp_path: Path
) -> None:
    """It is within reach beside the turn, and nothing sticks out of the bar."""
    ada = open_as(chromium, turns.link(), "ada")
    phone = chromium.open(turns.link(), phone=True)
    wait_for_turn(phone, "ada drives")
    phone.type("never")
    wait_for_turn(phone, "ada drives: your keys are not sent")
    phone.page.tap("#people button")
    phone.page.fill("#rename-name", "a name as long as it may ever be")
    phone.page.keyboard.press("Enter")
    ada.page.wait_for_selector("#people li:text-is('a name as long as it may ever be')")
    phone.picture(tmp_path / "renamed.png")
    for part in ("#people button", "#turn button"):
        box = phone.page.locator(part).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 390
        assert box["width"] > 20


def test_ones_name_is_within_reach_in_a_crowd(
    chromium: Chromium, bash: Container, tmp_path: Path
) -> None:
    """On a phone there is no room for all, but always for oneself."""
    with contextlib.ExitStack() as stack:
        for number in range(8):
            stack.enter_context(bash.attach(name=f"person {number}", rows=20, cols=70))
        phone = chromium.open(bash.link(), phone=True)
        phone.page.wait_for_function("() => document.querySelectorAll('#people li').length === 9")
        phone.picture(tmp_path / "crowd.png")
        box = phone.page.locator("#people button").bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 390
        phone.page.tap("#people button")

        phone.page.wait_for_selector("#rename[open]")
        phone.page.close()


def test_a_click_on_ones_name_outlives_a_new_list(chromium: Chromium, bash: Container) -> None:
    """Somebody comes between press and release, and is listed."""
    ada = open_as(chromium, bash.link(), "ada")
    ada.page.hover("#people button")
    ada.page.mouse.down()
    with bash.attach(name="bob", rows=20, cols=70):
        ada.page.wait_for_selector("#people li:text-is('bob')")
        ada.page.hover("#people button")
        ada.page.mouse.up()

        ada.page.wait_for_selector("#rename[open]")
