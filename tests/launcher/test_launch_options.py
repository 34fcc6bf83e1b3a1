"""Mount options: the words of mount(8) and OCI become flags, the rest is the filesystem's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ptylaunch import syscall as sc
from ptylaunch.options import parse_options

WORDS = ["ro", "rw", "nosuid", "suid", "nodev", "noexec", "bind", "rbind", "mode=755", "size=1m"]


def test_flags_and_data_are_told_apart() -> None:
    """What mount(2) takes as a flag is no data."""
    options = parse_options(("nosuid", "strictatime", "mode=755", "size=65536k"))

    assert options.flags == sc.MS_NOSUID | sc.MS_STRICTATIME
    assert options.data == "mode=755,size=65536k"
    assert not options.bind


def test_recursive_words_mean_the_flag() -> None:
    """The OCI spec's rro is ro here: flags of an rbind reach the whole tree."""
    options = parse_options(("rbind", "rro", "rnosuid", "rslave"))

    assert (options.bind, options.recursive) == (True, True)
    assert options.attrs == sc.MOUNT_ATTR_RDONLY | sc.MOUNT_ATTR_NOSUID
    assert options.propagation == sc.MS_SLAVE


def test_the_last_word_counts() -> None:
    """As mount(8) has it."""
    assert parse_options(("ro", "rw")).attrs == 0
    assert parse_options(("rw", "ro")).attrs == sc.MOUNT_ATTR_RDONLY


@given(st.lists(st.sampled_from(WORDS)))
def test_every_word_is_either_understood_or_kept(words: list[str]) -> None:
    """No option is lost on the way to the filesystem."""
    kept = [word for word in words if "=" in word]

    assert parse_options(tuple(words)).data == ",".join(kept)
