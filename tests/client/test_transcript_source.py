"""When a log is over: what the files of a container say, and how long a server is waited for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from ptycli.transcript import source as module
from ptycli.transcript.source import Source, has_exit
from ptyd.journal import index
from ptyd.journal.index import EXIT, RECORD_SIZE, RESIZE, START, STDOUT
from written_journal import NOW, Moment, Printed, WrittenJournal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ptyd.journal.index import Record


class Container:
    """A container as its files show it."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.keeper_pid: int | None = os.getpid()
        self.state: dict[str, Any] = {"status": "running", "epoch": 1}

    def read_state(self) -> dict[str, Any]:
        return self.state


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Container:
    made = Container(str(tmp_path))
    monkeypatch.setattr(module, "find", lambda _: made)
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    monkeypatch.setattr(module, "LAST_WORDS", 0.3)
    return made


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[WrittenJournal]:
    made = WrittenJournal(f"{tmp_path}/sessions/0/journal")
    made.write([Moment(START, NOW, 1), Printed(STDOUT, NOW, b"said")])
    yield made
    made.close()


def read(source: Source, *, follow: bool) -> bytes:
    return b"".join(each.read(each.start, each.end) for each in source.extents(follow=follow))


@pytest.mark.usefixtures("journal")
def test_a_running_program_is_not_waited_for(container: Container) -> None:
    """Unless one follows it."""
    source = Source("it")

    assert container.keeper_pid
    assert (read(source, follow=False), source.is_cut) == (b"said", False)


@pytest.mark.parametrize("follow", [False, True])
def test_a_server_that_hangs_after_the_end_is_waited_for_so_long(
    container: Container, journal: WrittenJournal, *, follow: bool
) -> None:
    """It may have more to write down: that its last words may be missing is known."""
    container.state["status"] = "exited"
    source = Source("it")

    assert journal.segment.end == 4
    assert (read(source, follow=follow), source.is_cut) == (b"said", True)
    assert "last words may be missing" in source.lost_words


@pytest.mark.parametrize("keeper", [None, os.getpid()], ids=["dead", "there"])
def test_an_exit_that_is_written_down_is_the_end(
    container: Container, journal: WrittenJournal, keeper: int | None
) -> None:
    """Nobody is waited for, whether its keeper lingers or not."""
    container.state["status"], container.keeper_pid = "exited", keeper
    journal.write([Moment(EXIT, NOW, 0)])
    source = Source("it")

    assert (read(source, follow=True), source.is_cut) == (b"said", False)


def test_a_server_outlives_its_keeper_for_a_moment(
    container: Container, journal: WrittenJournal
) -> None:
    """As long as it runs it may write; once it is gone nobody does."""
    container.keeper_pid = None
    container.state |= {"status": "exited", "server_pid": os.getpid()}
    alive = Source("it")
    cut = (read(alive, follow=True), alive.is_cut)
    container.state["server_pid"] = None
    gone = Source("it")

    assert journal.segment.end == 4
    assert cut == (b"said", True)
    assert (read(gone, follow=True), gone.is_cut) == (b"said", False)


def test_the_exit_of_an_earlier_epoch_ends_nothing(journal: WrittenJournal) -> None:
    """What was started again is not over."""
    folder = journal.folder
    journal.write([Moment(EXIT, NOW, 1)])
    first = (has_exit(folder, 1), has_exit(folder, 2))
    journal.write([Moment(START, NOW, 2), Moment(RESIZE, NOW, 24, 80)])
    begun = has_exit(folder, 2)
    journal.write([Moment(EXIT, NOW, 0)])

    assert (first, begun, has_exit(folder, 2)) == ((True, False), False, True)
    assert not has_exit(folder + "/nowhere", 1)


def test_who_follows_reads_one_record_of_an_index_to_go_on(
    journal: WrittenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: it is asked at every wake."""
    journal.write([Moment(RESIZE, NOW + each, 24, 80) for each in range(100)])
    sizes: list[int] = []

    def parse(data: bytes, end: int) -> list[Record]:
        sizes.append(len(data))
        return index.parse(data, end)

    monkeypatch.setattr(module, "parse", parse)

    assert not has_exit(journal.folder, 1)
    assert sizes == [RECORD_SIZE]
