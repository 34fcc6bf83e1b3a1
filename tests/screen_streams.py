"""Streams of output for screens: a table of hand-made cases, and generators of hostile soup."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

CASES: Final[dict[str, bytes]] = {
    "text and scrollback": b"".join(b"line %d\r\n" % n for n in range(60)),
    "scrollback, then cleared": b"".join(b"line %d\r\n" % n for n in range(60)) + b"\x1b[2J\x1b[H",
    "blank rows below": b"a\r\nb\r\n\r\n\r\n\x1b[H",
    "soft wraps": b"word " * 100,
    "a wrapped line cut by EL": b"x" * 50 + b"\x1b[1;10H\x1b[K",
    "a wrap without continuation": b"x" * 50 + b"\x1b[2;1H\x1b[L",
    "a wrap without continuation, DL": b"x" * 90 + b"\x1b[2;1H\x1b[M",
    "256 colours": b"".join(b"\x1b[38;5;%d;48;5;%dm#" % (n, 255 - n) for n in range(256)),
    "true colours": b"".join(b"\x1b[38;2;%d;0;9;48;2;1;%d;3m#" % (n, n) for n in range(99)),
    "all attributes": b"".join(b"\x1b[0;%dmat " % n for n in (1, 2, 3, 4, 5, 7, 8, 9, 21, 53)),
    "underlines": b"".join(b"\x1b[0;4:%d;58:2::1:2:3m_ %d " % (n, n) for n in range(6)),
    "a gap nobody wrote to": b"\x1b[4mone\x1b[1;20Htwo\x1b[0m",
    "a gap in reverse": b"\x1b[7mone\x1b[1;12Htwo\x1b[0m\r\n\x1b[41ma\x1b[3Cb",
    "links": b"\x1b]8;;http://a/\x1b\\here\x1b]8;;\x1b\\ \x1b]8;id=1;http://b/\x07there",
    "links in scrollback": (b"\x1b]8;;http://a/\x1b\\here\x1b]8;;\x1b\\ no\r\n") * 40,
    "a link left open": b"\x1b]8;;http://open/\x1b\\text\r\n",
    "wide": "漢字かな交じり文".encode() * 9,
    "wide at the last column": b"x" * 39 + "漢".encode() + b"after",
    "emoji": "👍 🎉 ❤️ 👩‍👩‍👧 🇩🇪".encode(),
    "graphemes": b"\x1b[?2027h" + "👩‍👩‍👧 🇩🇪 é".encode(),
    "combining": "é ä́ ǫ̈ क्षि".encode(),
    "many combining marks": b"a" + "\u0301".encode() * 200,
    "pending wrap": b"x" * 40,
    "pending wrap, coloured and wide": b"\x1b[31m" + b"x" * 38 + "漢".encode(),
    "pending wrap, then another pen": b"\x1b[31m" + b"x" * 40 + b"\x1b[32m",
    "pending wrap, link": b"\x1b]8;;http://a/\x07" + b"x" * 40,
    "tab stops": b"\x1b[3g\x1b[5G\x1bH\x1b[33G\x1bH\ra\tb\tc",
    "no tab stops": b"\x1b[3g\ta",
    "margins": b"\x1b[3;7r\x1b[7;1Ha\nb\nc",
    "origin": b"\x1b[3;7r\x1b[?6h\x1b[2;2Hx",
    "left and right margins": b"\x1b[?69h\x1b[5;20s\x1b[3;7r\x1b[3;6Hxxxxxxxxxxxxxxxxxxxxxxxxx",
    "left and right margins, origin": b"\x1b[?69h\x1b[5;20s\x1b[3;7r\x1b[?6h\x1b[1;1Hx",
    "insert": b"abc\x1b[4h\x1b[1;2H",
    "no wrap": b"\x1b[?7l" + b"x" * 60 + b"y",
    "no wrap over a wrap": b"x" * 60 + b"\x1b[?7l\x1b[1;39Habc",
    "line drawing": b"\x1b(0lqqk\x1b(B x \x1b)0\x0ex\x0f",
    "line drawing left on": b"\x1b(0lqqk",
    "G1 left on": b"\x1b)0\x0elq",
    "G2 locked": b"\x1b*0\x1bnlq",
    "saved cursor": b"\x1b[5;5H\x1b[31m\x1b7\x1b[0m\x1b[Hx",
    "saved cursor, pending wrap": b"x" * 40 + b"\x1b7\x1b[H",
    "saved cursor, charset": b"\x1b[5;5H\x1b(0\x1b7\x1b(B\x1b[H",
    "saved cursor, origin": b"\x1b[3;7r\x1b[?6h\x1b[2;2H\x1b7\x1b[?6l\x1b[r\x1b[H",
    "alternate": b"primary\x1b[?1049halt\x1b[3;3Hthere",
    "alternate, primary coloured": b"\x1b[31mred\x1b[44m\r\n\x1b[K\x1b[?1049h\x1b[32malt",
    "alternate, primary scrolled": b"l\r\n" * 50 + b"\x1b[?1049h\x1b[5;5Hx",
    "alternate, saved cursor inside": b"p\x1b[?1049h\x1b[4;4H\x1b7\x1b[H",
    "alternate by 1047": b"primary\x1b[?1047halt",
    "alternate by 47": b"primary\x1b[?47halt",
    "back on primary": b"p\x1b[?1049halt\x1b[?1049lq",
    "colour erases": b"\x1b[44m\x1b[2J\x1b[3;3Hx\x1b[0m",
    "colour erases in rows": b"\x1b[41m\x1b[K\r\n\x1b[5Xabc\x1b[42m\x1b[K\r\n\x1b[0mx",
    "colour erases in scrollback": b"\x1b[41ma\x1b[K\x1b[0m\r\n" * 30,
    "mouse": b"\x1b[?1000;1006h",
    "mouse, descending": b"\x1b[?1003h\x1b[?1002h\x1b[?1000h\x1b[?1015h",
    "mouse, one off again": b"\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1002l\x1b[?1006h",
    "mouse, pixels": b"\x1b[?1003;1016h",
    "mouse, X10": b"\x1b[?9h",
    "paste, focus, keys": b"\x1b[?2004;1004;1h\x1b=",
    "keypad mode": b"\x1b[?66h",
    "keyboard stack": b"\x1b[>1u\x1b[>3u\x1b[>31u\x1b[<1u",
    "keyboard, both screens": b"\x1b[>1u\x1b[?1049h\x1b[>5u\x1b[=3;2u",
    "modifyOtherKeys": b"\x1b[>4;2m",
    **{f"cursor shape {n}": b"\x1b[%d q" % n for n in range(7)},
    "cursor hidden": b"\x1b[?25l",
    "cursor blinks": b"\x1b[?12h",
    "palette": b"\x1b]4;1;rgb:12/34/56;200;#abcdef\x1b\\",
    "palette, reset": b"\x1b]4;1;rgb:12/34/56\x1b\\\x1b]104;1\x1b\\",
    "default colours": b"\x1b]10;#123456\x07\x1b]11;#654321\x07\x1b]12;#0f0\x07",
    "title": "\x1b]0;a title, ünicode\x07".encode(),
    "title and directory": b"\x1b]2;t\x1b\\\x1b]7;file://h/tmp\x1b\\",
    "cut in CSI": b"abc\x1b[31;4",
    "cut after ESC": b"abc\x1b",
    "cut in OSC": b"abc\x1b]2;tit",
    "cut in OSC, terminator": b"abc\x1b]2;title\x1b",
    "cut in DCS": b"abc\x1bP1$r",
    "cut in a link": b"abc\x1b]8;;http://",
    "cut in UTF-8": b"abc\xe6\xbc",
    "before a combining mark": b"abce",
    "synchronized": b"ab\x1b[?2026hcd",
    "reverse screen": b"\x1b[?5hx",
    "alignment": b"\x1b#8",
    "new line mode": b"\x1b[20ha\nb",
    "reverse wrap": b"\x1b[?45h\x1b[2;1H\b\b",
    "132 columns": b"\x1b[?40h\x1b[?3hab\x1b[1;100Hc",
    "132 columns in one": b"\x1b[?40;3hab\x1b[1;100Hc",
    "erase scrollback": b"l\r\n" * 40 + b"\x1b[3J",
    "reset": b"\x1b[31m\x1b[?1049h\x1b[?2004hxx\x1bcyy",
    "prompt": b"\x1b[1mroot\x1b[0m# ls\r\n\x1b[34mdir\x1b[0m\r\n# ",
}


_WORDS = ("a", "b ", "xyz", "e\u0301", "w" * 37, "─", "  ", "\r\n", "\n", "\r", "\b", "\t")
_WIDE = ("漢", "👍", "字" * 21)
_CHARSETS = ("\x1b(0", "\x1b(B", "\x0e", "\x0f", "\x1b)0", "\x1b*0", "\x1bn", "\x1bo")
_LOOKS = ("", "1", "31", "44", "7", "4", "4:3", "38;5;99", "48;2;1;2;3", "9", "53", "0;3", "58;5;9")
_ONCE = (
    *("\x1b7", "\x1b8", "\x1bM", "\x1bD", "\x1bE", "\x1bH", "\x1bc", "\x1b=", "\x1b>", "\x1b#8"),
    *("\x1b[3g", "\x1b[4h", "\x1b[4l", "\x1b[20h", "\x1b[20l", "\x1b[!p", "\x1b[s", "\x1b[u"),
    *("\x1b[2 q", "\x1b[5 q", "\x1b[0 q", "\x1b[>4;1m", "\x1b[>1u", "\x1b[>3u", "\x1b[<u"),
    *("\x1b[=5;2u", "\x1b]8;;http://x/\x07", "\x1b]8;;\x07", "\x1b]2;t\x07", "\x1b]7;file:///\x07"),
    *("\x1b]4;3;#123456\x07", "\x1b]104\x07", "\x1b]11;#010203\x07", "\x1b[", "\x1b]", "\x1b[?"),
    *("\x1bP1$r", "\x18", "\x1b\\"),
)
# Not here: what the table in ptyd.screen says cannot hold (CBT at a pending wrap, DECSCA, ...).
_MODES = (1, 3, 5, 6, 7, 12, 25, 40, 45, 47, 66, 69, 1000, 1002, 1003, 1004, 1005, 1006, 1007, 1015)
_MODES_TOO = (1016, 1047, 1048, 1049, 2004, 2026)

_number = st.integers(0, 12) | st.sampled_from([45, 99, 65535, 2**31, 2**32])
_place = st.builds(
    "\x1b[{};{}{}".format, st.integers(0, 12), st.integers(0, 45), st.sampled_from("Hfrs")
)
_look = st.builds("\x1b[{}m".format, st.sampled_from(_LOOKS))
_count = st.builds("\x1b[{}{}".format, _number, st.sampled_from("ABCDEFGJKLMPSTX@I`adbe"))
_mode = st.builds("\x1b[?{}{}".format, st.sampled_from(_MODES + _MODES_TOO), st.sampled_from("hl"))


def _soup(*words: str) -> st.SearchStrategy[bytes]:
    token = st.sampled_from(words) | _place | _look | _count | _mode | st.sampled_from(_ONCE)
    text = token.map(str.encode)
    return st.lists(text | text | text | st.binary(max_size=4), max_size=30).map(b"".join)


# Wide characters while line drawing is on are what libghostty keeps as nothing one could print.
SOUP: Final = _soup(*_WORDS, *_WIDE) | _soup(*_WORDS, *_CHARSETS)
