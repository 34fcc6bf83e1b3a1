"""``--network private``: out into the world, but not to the host; and ports that lead in."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import small_world as sw
from ordinary_user import Account, ordinary_user
from ptyd_user import Ptyd
from waiting import is_alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PROBE = Path(__file__).with_name("box_probe.py").read_bytes()
LATE_PROBE = f"/usr/bin/python3 -c {shlex.quote(PROBE.decode())} $go"
SERVER = """
import socket
with socket.create_server(("", 80)) as server:
    while True:
        connection, _ = server.accept()
        connection.recv(1)
        connection.sendall(b"from inside")
"""
PROGRAMS = {"pasta": "/usr/bin/slirp4netns", "slirp4netns": "/usr/bin/pasta"}
"""The helper to try, and the other, which the host then does not have."""


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with ordinary_user() as account:
        yield account


class Case(NamedTuple):
    """Who calls, and which helper the host has."""

    user: str
    helper: str

    def __str__(self) -> str:
        return f"{self.user}-{self.helper}"


EVERY = [Case(user, helper) for user in ("root", "user") for helper in PROGRAMS]
SOME = [Case("root", "pasta"), Case("user", "slirp4netns")]
"""Enough where neither the user nor the helper alone decides."""
every_case = pytest.mark.parametrize("case", EVERY, ids=str, indirect=True)


@pytest.fixture(params=SOME, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    assert isinstance(request.param, Case)
    return request.param


@pytest.fixture
def world(case: Case, tmp_path: Path) -> Iterator[sw.World]:
    (tmp_path / "resolv.conf").write_text(f"nameserver {sw.NAME_SERVER}\nsearch secret.example\n")
    os.chmod(tmp_path / "resolv.conf", 0o644)
    with sw.small_world(tmp_path / "resolv.conf", PROGRAMS[case.helper]) as world:
        world.helper = case.helper
        yield world


@pytest.fixture
def there(request: pytest.FixtureRequest, case: Case, world: sw.World) -> Iterator[Ptyd]:
    """The commands on that host, as root and as an ordinary user."""
    folder = tempfile.mkdtemp(prefix="ptyd-")
    root = f"{folder}/root"
    if case.user == "root":
        there = Ptyd(root, prefix=world.prefix)
    else:
        account: Account = request.getfixturevalue("account")
        os.chown(folder, account.uid, -1)
        prefix = [*world.prefix, *account.prefix]
        there = Ptyd(root, programs=account.programs, prefix=prefix, HOME=account.home)
    try:
        yield there
    finally:
        there.remove_all()
        assert there.left() == []
        shutil.rmtree(folder)


def reach(ptyd: Ptyd, *targets: str, options: tuple[str, ...] = ()) -> dict[str, str]:
    """Try targets (see ``box_probe.py``) from a new box; return what came of each."""
    done = ptyd("run", "--rm", *options, "/usr/bin/python3", "-", *targets, stdin=PROBE)
    assert done.code == 0, done.err
    assert done.err == ""
    said = json.loads(done.out)
    assert isinstance(said, dict)
    return said


def ask(world: sw.World, address: str, port: int, *, on_host: bool) -> str:
    """Return what a port says to who connects to it, or why it does not."""
    with world.socket(socket.SOCK_STREAM, address, on_host=on_host) as sock:
        sock.settimeout(20)
        try:
            sock.connect((address, port))
            sock.sendall(
                b"?"
            )  # pasta of 2023-03 completes a handshake only when it has to pass data
            return sock.recv(100).decode()
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error))


def await_server(world: sw.World, port: int) -> None:
    """Wait until what has just been started in the box listens."""
    wait_until(lambda: ask(world, "127.0.0.1", port, on_host=True) == "from inside")


@every_case
def test_the_world_is_there_by_default(there: Ptyd, world: sw.World) -> None:
    """TCP and UDP, by address; what the other side sees is the host."""
    port = world.serve(sw.INTERNET, on_host=False)
    udp = world.serve(sw.INTERNET, on_host=False, udp=True)
    said = reach(there, f"tcp,{sw.INTERNET},{port}", f"udp,{sw.INTERNET},{udp}")

    assert set(said.values()) == {f"hello {sw.HOST}"}
    assert world.who_heard() == {sw.INTERNET}


@every_case
def test_the_host_is_not(there: Ptyd, world: sw.World) -> None:
    """Not its loopback, none of its addresses, no link-local one, no metadata; not around routes.

    The same with ``--allow-host`` shows that every one of them would have answered.
    """
    walled = {
        "127.0.0.1": True,
        sw.HOST: True,
        sw.OTHER: True,
        sw.LINK_LOCAL: True,
        sw.METADATA: False,
    }
    ports = {address: world.serve(address, on_host=host) for address, host in walled.items()}
    udp = {a: world.serve(a, on_host=h, udp=True) for a, h in walled.items()}
    seen_as = {address: "10.0.2.2" if address == "127.0.0.1" else address for address in walled}
    tcp_targets = [f"tcp,{seen_as[a]},{port}" for a, port in ports.items()]
    udp_targets = [f"udp,{seen_as[a]},{port}" for a, port in udp.items()]
    allowed = reach(there, *tcp_targets, *udp_targets, options=("--allow-host",))
    heard = world.who_heard()
    world.heard.clear()
    plain = [*tcp_targets, *udp_targets]
    bound = [f"{target},eth0" for target in plain]
    refused = reach(there, *plain, *bound)

    assert all(answer.startswith("hello ") for answer in allowed.values()), allowed
    assert heard == set(walled)
    assert world.heard == []
    assert not [target for target, answer in refused.items() if "hello" in answer]
    for address in set(walled) - {"127.0.0.1"}:
        assert refused[f"tcp,{address},{ports[address]}"] in ("ENETUNREACH", "EHOSTUNREACH")


@every_case
def test_the_wall_stands_in_ipv6_too(there: Ptyd, world: sw.World) -> None:
    """Where the host has it: the world by pasta, the host by nobody."""
    addresses = {sw.INTERNET6: False, sw.HOST6: True, "::1": True}
    ports = {address: world.serve(address, on_host=host) for address, host in addresses.items()}
    link_local = world.link_local()
    ports[link_local] = world.serve("::", on_host=True)
    targets = [f"tcp,{a},{port}{d}" for a, port in ports.items() for d in ("", ",eth0")]
    said = reach(there, *targets, f"tcp,fd70:7479:6400::2,{ports['::1']}")
    answered = {target.split(",")[1] for target, answer in said.items() if "hello" in answer}

    assert answered == ({sw.INTERNET6} if world.helper == "pasta" else set())
    assert world.who_heard() == answered


def test_multicast_does_not_reach_the_host(there: Ptyd, world: sw.World) -> None:
    """Listeners of the host on 224.0.0.0/4 are its own; a packet behind it says that it is lost."""
    group = world.serve(sw.ALL_HOSTS, on_host=True, udp=True)
    after = world.serve(sw.INTERNET, on_host=False, udp=True)
    said = reach(there, f"udp,{sw.ALL_HOSTS},{group},eth0", f"udp,{sw.INTERNET},{after}")

    assert said[f"udp,{sw.INTERNET},{after}"].startswith("hello")
    assert world.who_heard() == {sw.INTERNET}


def test_an_address_that_the_host_gets_later_is_walled_too(there: Ptyd, world: sw.World) -> None:
    """At once, and without a connection lost."""
    container = there.start("--no-tty", "sh", "-c", f"read go; {LATE_PROBE}")
    helper = container.state()["network"]["pid"]
    world.on_host("ip addr add 203.0.113.66/24 dev inner")
    shows = ["nsenter", "--target", str(container.pid), "--net", "ip", "route"]
    wait_until(lambda: b"unreachable 203.0.113.66" in subprocess.check_output(shows, timeout=20))
    new = world.serve("203.0.113.66", on_host=True)
    old = world.serve(sw.INTERNET, on_host=False)
    words = f"tcp,203.0.113.66,{new} tcp,203.0.113.66,{new},eth0 tcp,{sw.INTERNET},{old}"
    with container.attach() as client:
        client.type(f"{words}\n")
        client.read_to_end()
        said = json.loads(client.output)

    assert container.state()["network"] is None
    assert not is_alive(helper)
    assert [answer for answer in said.values() if "hello" in answer] == [f"hello {sw.HOST}"]
    assert world.who_heard() == {sw.INTERNET}


def test_names_are_found_by_the_hosts_server(there: Ptyd, world: sw.World) -> None:
    """Through the forwarder; the box learns neither the server nor what the host searches."""
    world.serve_names()
    script = "cat /etc/resolv.conf /etc/hosts; getent ahostsv4 www.example.org; hostname -i"
    done = there("run", "--rm", "--hostname", "h1", "sh", "-c", script)
    text = done.out.decode()

    assert (done.code, done.err) == (0, "")
    assert "nameserver 10.0.2.3\n" in text
    assert sw.INTERNET in text
    assert "secret" not in text
    assert sw.NAME_SERVER not in text
    assert text.splitlines()[-1].split()[0] == "10.0.2.100"
    assert ("names", sw.HOST) in world.heard


def test_a_name_server_on_the_hosts_loopback_answers_too(
    there: Ptyd, world: sw.World, tmp_path: Path
) -> None:
    """As systemd-resolved's does, which the box itself cannot reach."""
    world.serve_names("127.0.0.53", on_host=True)
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\n")
    done = there("run", "--rm", "getent", "ahostsv4", "www.example.org")

    assert sw.INTERNET in done.out.decode()


def test_a_published_port_leads_into_the_box(there: Ptyd, world: sw.World) -> None:
    """From the host's loopback, or from everywhere; ``-p CPORT`` finds a port by itself."""
    options = ("-p", "8080:80", "-p", f"{sw.HOST}:8081:80", "-p", "80")
    container = there.start(*options, "--no-tty", "/usr/bin/python3", "-c", SERVER)
    found = container.state()["network"]["ports"][2]["port"]
    listed = there("ps").out.decode()
    await_server(world, 8080)
    own = ask(world, "127.0.0.1", 8080, on_host=True)
    far = ask(world, sw.HOST, 8081, on_host=False)
    any_ = ask(world, "127.0.0.1", found, on_host=True)
    closed = ask(world, sw.HOST, 8080, on_host=False)
    container.remove()

    assert (own, far, any_) == ("from inside", "from inside", "from inside")
    assert {"127.0.0.1:8080->80/tcp", f"{sw.HOST}:8081->80/tcp"} <= set(re.split(r",? +", listed))
    assert closed == "ECONNREFUSED"
    assert found > 1023
    assert ask(world, "127.0.0.1", 8080, on_host=True) == "ECONNREFUSED"


@every_case
def test_a_low_port_is_for_root_and_slirp4netns(there: Ptyd, world: sw.World, case: Case) -> None:
    """Whoever else asks for one is told in one line why it is not to be had."""
    options = ("-p", "81:80", "--no-tty", "/usr/bin/python3", "-c", SERVER)
    if case == Case("root", "slirp4netns"):
        container = there.start(*options)
        await_server(world, 81)
        answer = ask(world, "127.0.0.1", 81, on_host=True)
        container.remove()

        assert answer == "from inside"
        return
    done = there("run", *options)

    assert (done.code, len(done.err.splitlines())) == (125, 1)
    reason = "port 81 wants slirp4netns" if case.user == "root" else "81/tcp: only root may have"
    assert reason in done.err
    assert there.left() == []


def test_a_taken_port_is_named(there: Ptyd, world: sw.World) -> None:
    """One line, 125, nothing left."""
    port = world.serve("127.0.0.1", on_host=True)
    done = there("run", "-p", f"{port}:80", "true")

    assert (done.code, done.out) == (125, b"")
    assert done.err == f"ptyd run: 127.0.0.1:{port}/tcp: Address already in use\n"
    assert there.left() == []


def test_a_helper_that_dies_is_started_again(there: Ptyd, world: sw.World) -> None:
    """With its ports; whoever asks meanwhile hears that it is down."""
    options = ("--no-tty", "-p", "8082:80", "/usr/bin/python3", "-c", SERVER)
    container = there.start(*options)
    await_server(world, 8082)
    first = container.state()["network"]
    os.kill(first["pid"], signal.SIGKILL)
    wait_until(lambda: container.state()["network"].get("pid") not in (None, first["pid"]))
    again = ask(world, "127.0.0.1", 8082, on_host=True)
    second = container.state()["network"]["pid"]
    program = container.pid
    container.remove()

    assert again == "from inside"
    assert not is_alive(second)
    assert not is_alive(program)


def test_a_helper_ends_with_a_keeper_that_is_killed(there: Ptyd, world: sw.World) -> None:
    """And with it the box: nothing of it stays."""
    container = there.start("cat")
    helper = container.state()["network"]["pid"]
    os.kill(container.keeper_pid, signal.SIGKILL)

    wait_until(lambda: not is_alive(helper), what="the helper's end")


@every_case
def test_the_helper_has_no_privilege_over_the_host(there: Ptyd, world: sw.World) -> None:
    """Its user namespace is the box's, its files are gone, and a filter guards its calls."""
    container = there.start("cat")
    pid = container.state()["network"]["pid"]
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    namespace = os.readlink(f"/proc/{pid}/ns/user")

    assert namespace == os.readlink(f"/proc/{container.pid}/ns/user")
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"
    assert int(fields["Uid"].split()[0]) != 0
    assert set(os.listdir(f"/proc/{pid}/root")) <= {"etc", "run"}
