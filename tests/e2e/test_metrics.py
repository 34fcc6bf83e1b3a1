"""Prometheus' metrics: for the owner always, for others where the owner says so."""

from __future__ import annotations

import http.client
import re
import socket
from typing import TYPE_CHECKING

from exposition import Family, read_exposition
from ptywire.message import ACK
from waiting import wait_until

if TYPE_CHECKING:
    from ptyd_user import Container, Ptyd


class ControlConnection(http.client.HTTPConnection):
    """HTTP on control.sock."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


def scrape(container: Container) -> dict[str, Family]:
    """Ask as the owner does."""
    status, text = get(ControlConnection(container.described["Paths"]["Control"]))
    assert status == 200
    return read_exposition(text)


def get(connection: http.client.HTTPConnection) -> tuple[int, str]:
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    if answer.status == 200:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def value(families: dict[str, Family], family: str, **labels: str) -> float:
    return families[family].values[tuple(sorted(labels.items()))]


def test_what_happens_is_measured(ptyd: Ptyd) -> None:
    """Bytes, who is here, how far behind, what ended, and how often the server was replaced."""
    container = ptyd.start("--name", "it", "--no-tty", "sh", "-c", "printf 12345; read a; exit 3")
    with container.attach() as client:
        client.read_until("12345")
        with container.attach(container.link("view")) as viewer:
            viewer.read_until("12345")
            before = scrape(container)
        container.replace_server()
        client.read_to_end()
        with client.again() as again:
            again.type("\n")
            again.read_to_end()
            after = scrape(container)

    assert value(before, "ptyd_container_info", id=container.id, name="it") == 1
    assert value(before, "ptyd_output_bytes_total", session="0") == 5
    assert value(before, "ptyd_clients", session="0", role="owner") == 1
    assert value(before, "ptyd_clients", session="0", role="view") == 1
    assert value(before, "ptyd_client_lag_max_bytes", session="0") == 0
    assert value(before, "ptyd_running", session="0") == 1
    assert value(before, "ptyd_exits_total", session="0") == 0
    assert value(before, "ptyd_server_restarts_total") == 0
    assert value(before, "ptyd_journal_limit_bytes", session="0") == 64 << 20
    assert value(before, "ptyd_journal_size_bytes", session="0") > 5
    assert "ptyd_exit_status" not in before
    assert value(after, "ptyd_server_restarts_total") == 1
    assert value(after, "ptyd_running", session="0") == 0
    assert value(after, "ptyd_exits_total", session="0") == 1
    assert value(after, "ptyd_exit_status", session="0") == 3


def test_a_client_that_falls_behind_is_seen(ptyd: Ptyd) -> None:
    """Its lag, and the picture that it is shown in place of what it missed."""
    script = "stty raw -echo; printf ready; head -c1 >/dev/null; seq 1 200000; head -c1"
    container = ptyd.start("sh", "-c", script)
    with container.attach() as client, container.attach(lossless=False, acks=False) as slow:
        slow.read_until("ready")
        client.read_until("ready")
        client.type("x")
        client.read_until("200000\n")
        behind = scrape(container)
        slow.wait_until(lambda: slow.offset > 4096)
        slow.send(ACK, slow.offset.to_bytes(8, "big"))
        wait_until(lambda: value(scrape(container), "ptyd_resyncs_total", session="0") == 1)

    assert value(behind, "ptyd_client_lag_max_bytes", session="0") > 100_000
    assert value(behind, "ptyd_resyncs_total", session="0") == 0


def test_sessions_have_numbers_of_their_own(ptyd: Ptyd) -> None:
    """What exec starts is session 1, in the same families."""
    container = ptyd.start("cat")
    ptyd("exec", container.name, "printf", "abc")
    families = scrape(container)

    assert value(families, "ptyd_output_bytes_total", session="0") == 0
    assert value(families, "ptyd_output_bytes_total", session="1") == 3


def test_the_listener_has_them_only_where_the_owner_says_so(ptyd: Ptyd) -> None:
    """404 without ``--metrics``; with it without a token, but for the names that are served."""
    silent, open_ = ptyd.start("cat"), ptyd.start("--metrics", "cat")

    def ask(container: Container, host: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", container.port(), timeout=20)
        connection.request("GET", "/metrics", headers={"Host": host})
        status = connection.getresponse().status
        connection.close()
        return status

    here = http.client.HTTPConnection("127.0.0.1", open_.port(), timeout=20)
    status, text = get(here)

    assert ask(silent, "localhost") == 404
    assert ask(open_, "rebound.example") == 403
    assert status == 200
    assert read_exposition(text)["ptyd_running"].kind == "gauge"


def test_the_format_is_what_it_says(ptyd: Ptyd) -> None:
    """Every family has its help and type, and a unit in its name where it has one."""
    families = scrape(ptyd.start("cat"))

    assert families
    for name, family in families.items():
        assert name.startswith("ptyd_")
        assert family.tells.endswith(".")
        assert not re.search(r"_(kb|mb|ms|us)(_|$)", name)
        assert family.values
