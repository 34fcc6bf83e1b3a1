"""``ptyd exec``: a second program in a container, as anybody."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from waiting import is_alive, wait_for_end, wait_until
from wire_client import ATTACH, Place, WireClient

if TYPE_CHECKING:
    from ptyd_user import Container, Ptyd

WAITING = ("sh", "-c", "echo up; exec sleep infinity")


def sessions(container: Container) -> list[dict[str, Any]]:
    """Return what inspect says of every session, the container's own first."""
    found: list[dict[str, Any]] = container.ptyd.inspect(container.id)["State"]["Sessions"]
    return found


def has_connected(pid: int) -> bool:
    """Tell whether a process has a socket; what it closes meanwhile is none."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:"):
                return True
    return False


def pid_of(container: Container, number: int) -> int:
    return int(container.state()["sessions"][str(number)]["pid"])


def test_streams_and_status_are_the_programs(anybody: Ptyd) -> None:
    """Output, errors, input and exit code, byte-exact; the container goes on."""
    container = anybody.start(*WAITING)
    data = bytes(range(256)) * 1000
    done = anybody("exec", container.name, "sh", "-c", "cat; echo err >&2; exit 7", stdin=data)

    assert done == (7, data, "err\n")
    assert container.state()["status"] == "running"


def test_a_person_works_on_a_terminal_of_its_own(anybody: Ptyd) -> None:
    """Its own size, detach, attach by NAME/N, the program's status at the end."""
    container = anybody.start(*WAITING)
    with anybody.terminal("ptyd", "exec", "-it", container.name, "bash", "--norc") as user:
        user.sees("# ")
        user.type("tty; echo $(stty size) $HOSTNAME\r")
        user.sees("/dev/pts/1\r\n24 80 ")
        user.type("\x10\x11")

        assert user.finish() == 0
    with anybody.terminal("ptyc", f"{container.name}/1", size=(30, 100)) as user:
        user.sees("24 80")
        user.type("stty size\r")
        user.sees("30 100")
        user.type("exit 4\r")

        assert user.finish() == 4
    assert container.state()["status"] == "running"


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV"])
def test_a_program_killed_by_a_signal_gives_128_and_its_number(anybody: Ptyd, name: str) -> None:
    """As a shell has it, and the container is not told."""
    container = anybody.start(*WAITING)
    done = anybody("exec", container.name, "sh", "-c", f"kill -{name} $$")

    assert done.code == 128 + getattr(signal, f"SIG{name}")
    assert is_alive(container.pid)


def test_failures_are_one_line_and_dockers_codes(anybody: Ptyd) -> None:
    """127, 126, 1, and 125 for flags; no session is left of any."""
    container = anybody.start(*WAITING)
    name = container.name
    for words, code in (
        ([name, "no-such"], 127),
        (["-t", name, "/no/such"], 127),
        ([name, "/etc/passwd"], 126),
        (["-w", "/no/such", name, "true"], 126),
        (["-u", "nobody-there", name, "true"], 126),
        (["--privileged", name, "true"], 125),
        (["no-such-container", "true"], 1),
        ([name], 1),
        (["--no-such-flag", name, "true"], 125),
    ):
        done = anybody("exec", *words)

        assert (done.code, done.out, len(done.err.splitlines())) == (code, b"", 1), words
    assert len(sessions(container)) == 1


def test_environment_folder_and_user_are_as_asked(anybody: Ptyd, tmp_path: Path) -> None:
    """Over the container's own; HOME follows the user; nothing of the caller's comes along."""
    file = tmp_path / "env"
    file.write_text("FROM_FILE=1\n")
    container = anybody.start("-e", "KEPT=yes", "-e", "CHANGED=no", *WAITING)
    env = ["-e", "CHANGED=yes", "-e", "COPIED"]
    if os.access(tmp_path, os.X_OK) and anybody.env["HOME"] == os.environ.get("HOME"):
        env += ["--env-file", str(file)]  # a file that they may read
    done = anybody(
        *("exec", *env, "-w", "/tmp", "-u", "1000:100", container.name, "sh", "-c"),
        "env; pwd; id -u; id -g; id -G",
        COPIED="mine",
        SECRET="canary",
    )
    lines = done.out.decode().splitlines()

    assert {"KEPT=yes", "CHANGED=yes", "COPIED=mine", "HOME=/", "PWD=/tmp"} <= set(lines)
    assert lines[-4:] == ["/tmp", "1000", "100", "100"]
    assert "canary" not in done.out.decode()


def test_detached_it_prints_where_it_is(anybody: Ptyd) -> None:
    """``NAME/N``, which logs and attach take; its input is empty."""
    container = anybody.start(*WAITING)
    done = anybody("exec", "-d", container.name, "sh", "-c", "cat; echo printed; exit 5")
    where = done.out.decode().strip()
    wait_until(lambda: "exit_status" in container.state()["sessions"]["1"])

    assert where == f"{container.name}/1"
    assert anybody("logs", "-f", where).out == b"printed\n"
    assert anybody.call("ptyc", "--from", "start", where) == (5, b"printed\n", "")
    assert anybody("logs", container.name).out == b"up\r\n"


def test_the_containers_end_ends_them_all(anybody: Ptyd) -> None:
    """Their statuses are written down and told, each before the container's own."""
    container = anybody.start("cat")
    for options in (["-t"], []):
        anybody("exec", "-d", *options, container.name, "sleep", "infinity")
    clients = [container.attach(session=number) for number in (1, 2)]
    done = anybody("stop", container.name)
    for client in clients:
        client.read_to_end()
        client.close()
    statuses = [session["ExitCode"] for session in sessions(container)]

    assert done.code == 0
    assert [client.events[-1]["status"] for client in clients] == [137, 137]
    assert statuses[1:] == [137, 137]
    assert not any(session["Running"] for session in sessions(container))


def test_a_killed_server_loses_nothing_of_it(anybody: Ptyd) -> None:
    """The program goes on, its client resumes, byte-exact."""
    container = anybody.start(*WAITING)
    script = "stty raw -echo; echo raw; while read go; do seq 1 5000; done"
    anybody("exec", "-dt", container.name, "sh", "-c", script)
    printed = b"".join(b"%d\n" % number for number in range(1, 5001))
    client = container.attach(session=1)
    client.read_until("raw\n")  # what is typed before that is echoed
    client.output.clear()
    for _ in range(4):
        client.type("\n")
        client.wait_until(lambda c=client: len(c.output) == len(printed))
        container.kill_server()
        client.read_to_end()
        assert client.output == printed
        client = client.again(session=1)
    client.close()

    assert is_alive(pid_of(container, 1))


def test_pipes_survive_a_killed_server(anybody: Ptyd) -> None:
    """A foreground exec on pipes misses nothing while servers die under it."""
    container = anybody.start(*WAITING)
    script = "for i in 1 2 3 4 5; do seq 1 4000; read go; done; exit 3"
    with anybody.background("ptyd", "exec", container.name, "sh", "-c", script) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        expected = b"".join(b"%d\n" % number for number in range(1, 4001))
        for _ in range(5):
            assert process.stdout.read(len(expected)) == expected
            container.replace_server()
            process.stdin.write(b"\n")
            process.stdin.flush()
        process.stdin.close()

        assert process.stdout.read() == b""
        assert process.wait(20) == 3
        process.stdin = open(os.devnull, "wb")  # noqa: SIM115 - closed by background()


def test_asking_a_dying_server_starts_one_program(anybody: Ptyd) -> None:
    """The request is repeated to the next server, and means the same program."""
    container = anybody.start(*WAITING)
    server = container.server_pid()
    os.kill(server, signal.SIGSTOP)
    with anybody.background(
        "ptyd", "exec", container.name, "sh", "-c", "echo $$; exit 6"
    ) as process:
        wait_until(lambda: has_connected(process.pid), what="the request")
        os.kill(server, signal.SIGKILL)

        assert process.wait(30) == 6
    assert len(sessions(container)) == 2


def test_the_same_key_is_the_same_session(anybody: Ptyd) -> None:
    """Asked twice, by two servers, it is started once and answered twice."""
    container = anybody.start(*WAITING)
    answers = []
    for _ in range(2):
        with WireClient(container.control) as client:
            client.execute("sleep", "infinity", key="ab" * 16)
            answers.append(client.wait_for_event("started")["session"])
        container.replace_server()

    assert answers == [1, 1]
    assert len(sessions(container)) == 2


def test_a_client_that_vanishes_leaves_the_program_alone(anybody: Ptyd) -> None:
    """As it is with run: whoever comes back finds it."""
    container = anybody.start(*WAITING)
    with anybody.background("ptyd", "exec", container.name, "sh", "-c", "echo on; cat") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        process.kill()
        process.wait()
    with container.attach(session=1) as client:
        client.type("still here\n")
        client.read_until("still here")

    assert client.output == b"on\nstill here\n"


def test_a_client_that_vanishes_hangs_the_program_up_where_that_is_asked(ptyd: Ptyd) -> None:
    """``--on-disconnect hup``: SIGHUP, also when a server died meanwhile."""
    container = ptyd.start(*WAITING)
    words = (
        "ptyd",
        "exec",
        "--on-disconnect",
        "hup",
        container.name,
        "sh",
        "-c",
        "echo on; exec cat",
    )
    with ptyd.background(*words) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        pid = pid_of(container, 1)
        container.replace_server()
        process.kill()
        process.wait()
    container.replace_server()
    wait_for_end(pid)
    wait_until(lambda: "exit_status" in container.state()["sessions"]["1"])

    assert sessions(container)[1]["ExitCode"] == 128 + signal.SIGHUP


def test_leaving_on_purpose_is_not_vanishing(ptyd: Ptyd) -> None:
    """After the detach keys even ``hup`` lets it go on, whatever happens to servers."""
    container = ptyd.start(*WAITING)
    words = ("ptyd", "exec", "-it", "--on-disconnect", "hup", container.name, "bash", "--norc")
    with ptyd.terminal(*words) as user:
        user.sees("# ")
        user.type("\x10\x11")

        assert user.finish() == 0
    with ptyd.terminal("ptyc", f"{container.name}/1") as user:
        user.sees("# ")
        user.type("exit 9\r")

        assert user.finish() == 9


def test_many_at_once(anybody: Ptyd) -> None:
    """Twenty requests on twenty connections, half of them terminals; each has its own status."""
    container = anybody.start(*WAITING)
    with contextlib.ExitStack() as stack:
        asking = [stack.enter_context(WireClient(container.control)) for _ in range(20)]
        for n, client in enumerate(asking):
            client.execute("sh", "-c", f"echo {n}; exit {n}", tty=n % 2 == 0)
        numbers = [client.wait_for_event("started")["session"] for client in asking]
        wait_until(lambda: all(not s["Running"] for s in sessions(container)[1:]))
        told = {int(s["Session"].rpartition("/")[2]): s["ExitCode"] for s in sessions(container)}

    assert sorted(numbers) == list(range(1, 21))
    assert all(told[number] == n for n, number in enumerate(numbers) if number in told)


def test_only_the_newest_that_ended_are_kept(ptyd: Ptyd) -> None:
    """Sixteen; what goes takes its journal with it."""
    container = ptyd.start(*WAITING)
    folder = Path(container.journal_folder).parent.parent
    with container.attach(session=0) as client:
        for _ in range(18):
            client.events.clear()
            client.execute("true")
            client.wait_for_event("started")
    kept = {"0", *map(str, range(3, 19))}
    wait_until(lambda: set(container.state()["sessions"]) == kept - {"0"}, what="16 sessions")

    assert {path.name for path in folder.iterdir()} == kept
    assert ptyd("logs", f"{container.name}/1").code == 1
    assert ptyd("logs", f"{container.name}/18").code == 0


def test_a_link_opens_the_one_session_it_was_made_for(ptyd: Ptyd) -> None:
    """Whoever may watch the first program may not watch the second by changing a number."""
    container = ptyd.start(*WAITING)
    ptyd("exec", "-dt", container.name, "sh", "-c", "echo secret; sleep infinity")
    own, second = container.link(), ptyd("share", f"{container.name}/1").out.decode().strip()
    with WireClient(Place.of_link(own)) as client:
        client.send(ATTACH, json.dumps({"session": 1}).encode())
        refused = client.read_to_end()
    with WireClient(Place.of_link(second)) as client:
        client.attach(from_="start")
        client.read_until("secret")

    assert refused[0] == 4004


def test_a_link_starts_no_program(ptyd: Ptyd) -> None:
    """However much it may type: exec is the owner's."""
    container = ptyd.start(*WAITING)
    with WireClient(Place.of_link(container.link())) as client:
        client.execute("true")
        refused = client.wait_for_event("refused")

    assert "owner" in refused["reason"]
    assert len(sessions(container)) == 1


def test_signals_reach_the_program_that_is_meant(anybody: Ptyd) -> None:
    """Session 1's, not the container's; on pipes those of the user's shell are passed on."""
    container = anybody.start(*WAITING)
    script = "trap 'echo caught; exit 3' TERM; echo on; while :; do sleep 0.01; done"
    with anybody.background("ptyd", "exec", container.name, "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        process.terminate()

        assert process.stdout.read() == b"caught\n"
        assert process.wait(20) == 3
    assert is_alive(container.pid)


def test_a_container_that_has_ended_takes_no_program(anybody: Ptyd) -> None:
    """One line, also while its server lingers."""
    container = anybody.start("sh", "-c", "exit 0")
    container.wait_for_status()
    with WireClient(container.control) as client:
        client.execute("true")
        refused = client.wait_for_event("refused")
    done = anybody("exec", container.name, "true")

    assert (refused["stage"], refused["exit_code"]) == ("join", 125)
    assert done.code == 1
    assert "is not running" in done.err
