"""``-p`` and its like: what they mean, and one line for what they do not."""

from __future__ import annotations

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycli.arguments import Failure
from ptycli.network import (
    Choice,
    check_options,
    choose_network,
    etc_files,
    parse_exposed,
    parse_port,
)
from ptycli.surroundings import Surroundings, parse_host
from ptykeep.helper import Port

NOTHING = Surroundings()


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("80", Port("tcp", "127.0.0.1", 0, 80)),
        ("8080:80", Port("tcp", "127.0.0.1", 8080, 80)),
        ("0.0.0.0:8080:80", Port("tcp", "0.0.0.0", 8080, 80)),
        ("[::1]:8080:80/tcp", Port("tcp", "::1", 8080, 80)),
        ("53:53/udp", Port("udp", "127.0.0.1", 53, 53)),
        ("10.0.0.1::80", Port("tcp", "10.0.0.1", 0, 80)),
        ("0:80", Port("tcp", "127.0.0.1", 0, 80)),
    ],
)
def test_a_port_is_read_as_docker_has_it(text: str, port: Port) -> None:
    """But for the default of HOST: a box is nobody's business unless it is said so."""
    assert parse_port(text) == port


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "x", "80:", "0", "8080:0", "1:2:3:4", "host:80:80", "80/sctp", "80/", "65536:1"),
        *("1:65536", "-1:80", "+80", "\u0661:80", "[fe80::1%eth0]:1:2", "80:80/TCP"),
    ],
)
def test_what_is_no_port_is_refused(text: str) -> None:
    """With the text in it."""
    with pytest.raises(Failure) as caught:
        parse_port(text)

    assert f"-p {text}:" in str(caught.value)


@given(st.text(max_size=30))
def test_no_text_makes_it_raise_something_else(text: str) -> None:
    """It is a port, or it is refused."""
    try:
        port = parse_port(text)
    except Failure:
        return

    assert 0 <= port.port < 65536
    assert 0 < port.inside < 65536


def options(**given: object) -> argparse.Namespace:
    flags = {"network": None, "publish_all": False, "allow_host": False}
    names = ("publish", "expose", "add_host", "dns", "dns_search", "dns_option")
    return argparse.Namespace(**{**flags, **{name: [] for name in names}, **given})


@pytest.mark.parametrize(
    "given",
    [
        {"publish": ["80:80", "80:81"]},
        {"publish": ["80"], "network": "none"},
        {"publish": ["80"], "network": "host"},
        {"allow_host": True, "network": "host"},
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, object]) -> None:
    """One port twice, ports of a box that has no network of that kind."""
    with pytest.raises(Failure):
        check_options(options(**given))


def test_without_a_helper_there_is_no_network_and_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless one was asked for: then it is a failure."""
    monkeypatch.setattr("ptykeep.helper.find", lambda _: "")
    choice = choose_network(options(), [])

    assert (choice.mode, choice.wish) == ("none", None)
    assert "pasta" in choice.notice
    with pytest.raises(Failure, match="pasta"):
        choose_network(options(network="private"), [])


def test_names_are_those_of_the_network() -> None:
    """No server where there is no network, the forwarder's where there is, the host's on host."""
    wish = {"subnet": "10.0.2", "allow_host": True}
    none = etc_files(Choice("none"), "h", NOTHING)
    private = etc_files(Choice("private", wish), "h", NOTHING)
    with open("/etc/resolv.conf", encoding="utf-8") as file:
        hosts_own = file.read()

    assert none["resolv.conf"] == ""
    assert "127.0.1.1\th\n" in none["hosts"]
    assert private["resolv.conf"] == "nameserver 10.0.2.3\n"
    assert "10.0.2.100\th\n" in private["hosts"]
    assert "10.0.2.2\thost.containers.internal" in private["hosts"]
    assert etc_files(Choice("host"), "h", NOTHING)["resolv.conf"] == hosts_own


def test_what_is_asked_for_is_added() -> None:
    """Names to hosts; servers, domains and options in the place of those that there were."""
    asked = Surroundings(
        (("10.1.1.1", "db"), ("host-gateway", "here")), ("9.9.9.9",), ("a.example", "b.example")
    )
    wish = {"subnet": "10.0.2", "allow_host": True}
    files = etc_files(Choice("private", wish), "h", asked)
    kept = Surroundings(options=("ndots:2",)).resolv("search x\nnameserver 1.1.1.1\n")

    assert files["hosts"].endswith("10.1.1.1\tdb\n10.0.2.2\there\n")
    assert files["resolv.conf"] == "nameserver 9.9.9.9\nsearch a.example b.example\n"
    assert kept == "options ndots:2\nsearch x\nnameserver 1.1.1.1\n"
    assert Surroundings(domains=(".",)).resolv("domain x\nnameserver 1.1.1.1\n") == (
        "nameserver 1.1.1.1\n"
    )
    with pytest.raises(Failure, match="--allow-host"):
        etc_files(Choice("none"), "h", asked)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("db:10.1.1.1", ("10.1.1.1", "db")),
        ("db=10.1.1.1", ("10.1.1.1", "db")),
        ("db:::1", ("::1", "db")),
        ("db:[::1]", ("::1", "db")),
        ("here:host-gateway", ("host-gateway", "here")),
    ],
)
def test_a_host_is_read_as_docker_has_it(text: str, host: tuple[str, str]) -> None:
    """Name first."""
    assert parse_host(text) == host


@pytest.mark.parametrize("text", ["", "db", ":1.1.1.1", "db:", "db:x", "a b:1.1.1.1", "a\nb=::1"])
def test_what_is_no_host_is_refused(text: str) -> None:
    """It would be a line of a file."""
    with pytest.raises(Failure, match="NAME:ADDRESS"):
        parse_host(text)


def test_ports_are_exposed_as_docker_has_it() -> None:
    """One or a range; what is none is refused."""
    assert parse_exposed("80") == [Port("tcp", "127.0.0.1", 0, 80)]
    assert [each.inside for each in parse_exposed("80-82/udp")] == [80, 81, 82]
    for text in ("", "x", "0", "80/sctp", "82-80", "1-65535", "80:80"):
        with pytest.raises(Failure, match=f"--expose {text}"):
            parse_exposed(text)
