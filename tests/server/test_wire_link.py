"""Links: what is formatted is parsed, and what is not a link is refused in one line."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ptywire.link import Link, format_authority, format_link, parse_link

if TYPE_CHECKING:
    from ipaddress import IPv6Address

TOKEN = "0123456789abcdefABCDEF-_"
FINGERPRINT = "0123456789abcdef" * 4

NAMES = st.text(string.ascii_letters + string.digits + ".-_", min_size=1, max_size=20)
HOSTS = NAMES | st.ip_addresses().map(str)
TOKENS = st.text(string.ascii_letters + string.digits + "-_", min_size=16, max_size=256)
PREFIXES = st.lists(st.text(string.ascii_lowercase + "-._~%20", min_size=1, max_size=6), max_size=3)
LINKS = st.builds(
    Link,
    host=HOSTS,
    port=st.integers(1, 65535),
    token=TOKENS | st.just(""),
    session=st.integers(0, 999_999_999),
    fingerprint=st.text("0123456789abcdef", min_size=64, max_size=64) | st.just(""),
    tls=st.booleans(),
    prefix=PREFIXES.map(lambda parts: "/" + "".join(part + "/" for part in parts)),
)


@given(LINKS)
def test_a_link_survives_being_copied(link: Link) -> None:
    """parse(format(link)) == link."""
    assert parse_link(format_link(link)) == link


@given(
    st.text(max_size=60)
    | st.builds("http://{}:{}/{}#{}".format, st.text(), st.text(), st.text(), st.text())
    | LINKS.map(format_link).flatmap(
        lambda text: st.integers(0, len(text)).map(lambda at: text[:at] + "\r\n" + text[at:])
    )
)
@example("http://h:99999/")
@example("http://h/#s=²")
@example("http://h/#s=" + "1" * 5000)
def test_no_text_makes_the_parser_raise_more_than_a_line(text: str) -> None:
    """The result is a link that can be formatted again, or a ValueError of one line."""
    refusal = ""
    try:
        link = parse_link(text)
    except ValueError as error:
        refusal = str(error)
    else:
        assert parse_link(format_link(link)) == link
        assert (link.host + link.prefix).isprintable()
        assert " " not in link.host + link.prefix

    assert refusal.isprintable()


@pytest.mark.parametrize(
    ("text", "link"),
    [
        (f"http://127.0.0.1:8080/#t={TOKEN}", Link("127.0.0.1", 8080, TOKEN)),
        (f"http://[::1]:8080/#t={TOKEN}&s=3", Link("::1", 8080, TOKEN, 3)),
        (
            f"https://box.example/a/b#t={TOKEN}&s=3&fp={FINGERPRINT.upper()}",
            Link("box.example", 443, TOKEN, 3, FINGERPRINT, tls=True, prefix="/a/b/"),
        ),
        (f"http://localhost#fp=&t={TOKEN}&new=x", Link("localhost", 80, TOKEN)),
        ("http://localhost:1", Link("localhost", 1)),
    ],
)
def test_these_are_links(text: str, link: Link) -> None:
    """Order, unknown fields, defaults and the case of the fingerprint do not matter."""
    assert parse_link(text) == link


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a link"),
        ("localhost:80", "not a link"),
        ("ftp://h/", "not a link"),
        ("http:///", "not a link"),
        ("http://a b/", "not a link"),
        ("http://user@h/", "not a link"),
        ("http://h\r\nX: y/", "not a link"),
        ("http://h/a\r\nX: y/", "not a link"),
        ("http://h/?t=x", "not a link"),
        ("http://::1/", "not a link"),
        ("http://[1234]/", "not a link"),
        ("http://h:0/", "between 1 and 65535"),
        ("http://h:65536/", "between 1 and 65535"),
        ("http://h/#t=short", "token"),
        (f"http://h/#t={TOKEN}%20", "token"),
        (f"http://h/#fp={FINGERPRINT[1:]}", "fingerprint"),
        ("http://h/#s=-1", "session"),
        ("http://h/#s=", "session"),
    ],
)
def test_these_are_not(text: str, why: str) -> None:
    """A damaged link says which part is damaged."""
    with pytest.raises(ValueError, match=why):
        parse_link(text)


def test_a_damaged_link_does_not_repeat_its_secret() -> None:
    """The line goes to terminals and logs; a token must not."""
    secret = "s3cret" * 5 + "!"

    with pytest.raises(ValueError, match="copy the whole link") as caught:
        parse_link(f"http://h/#t={secret}")
    assert secret not in str(caught.value)


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_gets_its_brackets(address: IPv6Address) -> None:
    """RFC 3986 section 3.2.2; without them the port would be part of the address."""
    assert format_authority(str(address), 80) == f"[{address}]:80"
    assert Link(str(address), 80).authority == f"[{address}]:80"
