"""The page and lost connections: it comes back by itself, at the exact byte, in both directions."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from typing import TYPE_CHECKING

from page_user import PROMPT
from reverse_proxy import ReverseProxy
from waiting import wait_until

if TYPE_CHECKING:
    from page_user import Chromium
    from ptyd_user import Container, Ptyd

COUNT = 3000
CUTS = 6


def numbers(text: str) -> list[int]:
    return [int(word) for word in re.findall(r"^(\d+)$", text, re.MULTILINE)]


def test_a_killed_server_is_survived(chromium: Chromium, bash: Container) -> None:
    """SIGKILL in the middle of output: no line is lost, none is shown twice."""
    person = chromium.open(bash.link())
    person.wait_for(PROMPT)
    # The page holds 5000 lines; every tenth line waits a little, so that the kill falls in between.
    person.enter(
        f"for ((i = 0; i < {COUNT}; i++)); do echo $i; ((i % 30)) || read -t 0.01; done; echo end"
    )
    person.wait_for("^200$")
    bash.replace_server()
    person.wait_for("^end$")

    assert numbers(person.text()) == list(range(COUNT))
    assert person.wait_for_state("connected") == "connected"
    person.enter("echo and on")
    person.wait_for("^and on$")


def test_cuts_are_not_seen(chromium: Chromium, bash: Container) -> None:
    """Connections that break under output and typing change nothing of either."""
    with ReverseProxy(bash.port()) as proxy:
        person = chromium.open(proxy.link(bash.link()))
        person.wait_for(PROMPT)
        # Without the terminal's echo, which mixes with output letter by letter.
        person.enter(
            "stty -echo; echo silent; "
            "while read -r line && [[ $line != stop ]]; do echo $line; done"
        )
        person.wait_for("^silent$")
        for cut in range(CUTS):
            for each in range(20):
                person.enter(f"{cut}-{each}")
                if each == 10:
                    proxy.cut()
        person.enter("stop")
        text = person.wait_for(f"^{CUTS - 1}-19$")
        person.page.close()

    typed = re.findall(r"^(\d+-\d+)$", text, re.MULTILINE)
    assert typed == [f"{cut}-{each}" for cut in range(CUTS) for each in range(20)]


def test_a_big_paste_arrives_once(chromium: Chromium, bash: Container) -> None:
    """More than the window of typing, across a cut: every byte once."""
    size = 300_000
    with ReverseProxy(bash.port()) as proxy:
        person = chromium.open(proxy.link(bash.link()))
        person.wait_for(PROMPT)
        person.enter(f"stty raw -echo; echo ready; head -c {size} | md5sum; stty sane")
        person.wait_for("ready")
        # No brackets: the terminal is raw, and so is what arrives.
        person.page.evaluate(
            "text => document.getElementById('terminal').xterm.input(text)",
            "0123456789" * (size // 10),
        )
        proxy.cut()
        text = person.wait_for("[0-9a-f]{32} ")
        person.page.close()

    assert hashlib.md5(b"0123456789" * (size // 10)).hexdigest() in text


def test_answers_to_old_queries_are_not_typed(chromium: Chromium, bash: Container) -> None:
    """Who comes late is shown a query of the past, and does not answer it."""
    with bash.attach() as first:
        first.type(b"printf '\\e[c\\e[6n\\e[?1004h'; read -rsd R; echo asked\r")
        first.read_until(b"hasked\r\n")
    person = chromium.open(bash.link())
    person.wait_for("^asked$")
    person.enter("echo clean")
    text = person.wait_for("clean$")

    assert "[?1;2c" not in text
    assert re.search(r"^now> echo clean$", text, re.MULTILINE)


def test_the_network_is_told_of(chromium: Chromium, bash: Container) -> None:
    """While there is no server the page says so, and typing waits for it."""
    person = chromium.open(bash.link())
    person.wait_for(PROMPT)
    person.context.set_offline(True)
    person.context.set_offline(False)
    person.enter("echo online")

    person.wait_for("^online$")


def test_a_connection_that_died_in_silence_is_missed(chromium: Chromium, bash: Container) -> None:
    """Within 45 s by the page's clock, though the server can be reached all the time."""
    with ReverseProxy(bash.port()) as proxy:
        person = chromium.open("about:blank")
        person.page.clock.install()
        person.page.goto(proxy.link(bash.link()))
        person.wait_for(PROMPT)
        first = len(proxy.upgrades)
        for times in range(3):  # it is asked, and answers
            person.page.clock.run_for(20_000)
            wait_until(lambda n=times: proxy.passed.count(b'"alive"') > n)
        lives = len(proxy.upgrades)
        proxy.go_silent()
        for _ in range(9):
            person.page.clock.run_for(5_000)
        person.page.clock.resume()
        person.wait_for_state("connected")
        person.enter("echo again")
        person.wait_for("^again$")
        person.page.close()

    assert (first, lives) == (1, 1)
    assert len(proxy.upgrades) == 2


def test_a_program_that_is_started_again(chromium: Chromium, bash: Container) -> None:
    """The page goes over to the next epoch: a blank screen, and a program that is typed to."""
    person = chromium.open(bash.link())
    person.wait_for(PROMPT)
    person.enter("echo first-$((40 + 2))")
    person.wait_for("^first-42$")
    assert bash.ptyd("restart", bash.id).code == 0
    wait_until(lambda: "first-42" not in person.text(), what="a blank screen")
    person.wait_for(PROMPT)
    person.enter("echo second-$((40 + 2))")
    text = person.wait_for("^second-42$")

    assert "first-42" not in text
    assert person.wait_for_state("connected") == "connected"


def test_a_long_pause_before_the_program_is_started_again_is_told(
    chromium: Chromium, ptyd: Ptyd
) -> None:
    """With the status of the one that ended, until there is another."""
    it = ptyd.start("--listen", "0", "--restart", "always", "sleep", "1000")
    person = chromium.open(it.link())
    person.wait_for_state("connected")
    for epoch in range(1, 7):  # the pauses double: the sixth is of 3.2 s
        wait_until(
            lambda epoch=epoch: it.state()["epoch"] == epoch and it.state()["status"] == "running"  # type: ignore[misc]
        )
        os.kill(it.pid, signal.SIGKILL)

    assert person.wait_for_state("restarting") == "restarting after status 137 (SIGKILL)…"
    assert person.wait_for_state("connected") == "connected"
