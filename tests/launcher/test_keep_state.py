"""The state directory: claims are atomic, and changes too."""

from __future__ import annotations

import errno
import os
import pwd
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptykeep import state
from ptykeep.state import RANGE_FIRST, RANGE_LAST, RANGE_LENGTH, RANGE_STRIDE, Dirs

IDS = ["ab" * 32, "ab" * 5 + "cd" * 27, "cd" * 32]


@pytest.fixture
def dirs(tmp_path: Path) -> Dirs:
    made = state.directories({"PTYD_ROOT": str(tmp_path / "root")})
    state.prepare(made)
    return made


def add(dirs: Dirs, container: str, name: str = "") -> None:
    os.makedirs(state.container_dir(dirs, container))
    os.makedirs(state.socket_dir(dirs, container))
    if name:
        state.claim_name(dirs, name, container)


def test_one_variable_sets_both_places(tmp_path: Path) -> None:
    """PTYD_ROOT, made absolute: a keeper changes to /."""
    assert state.directories({"PTYD_ROOT": "some/where"}).data == os.path.abspath("some/where")
    assert state.directories({"PTYD_ROOT": str(tmp_path)}).run == f"{tmp_path}/run"


def test_places_of_root_and_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals are not on a tmpfs, sockets may be."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    root = state.directories({})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert root == Dirs("/var/lib/ptyd", "/run/ptyd")
    assert state.directories({"HOME": "/h"}) == Dirs("/h/.local/state/ptyd", "/tmp/ptyd-1000")
    assert state.directories(
        {"HOME": "/h", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r"}
    ) == Dirs("/s/ptyd", "/r/ptyd")


def test_a_home_is_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one it is that of the account; a relative one would be the keeper's /."""
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    home = pwd.getpwuid(65534).pw_dir

    assert state.directories({}).data == f"{home}/.local/state/ptyd"
    assert state.directories({"XDG_STATE_HOME": "s", "XDG_RUNTIME_DIR": "r", "HOME": "/h"}) == Dirs(
        "/h/.local/state/ptyd", "/tmp/ptyd-65534"
    )
    with pytest.raises(NotADirectoryError):
        state.directories({"HOME": "here"})


def test_what_is_prepared_is_private(dirs: Dirs) -> None:
    """0700, a format file, and again does no harm."""
    os.chmod(dirs.data, 0o755)
    state.prepare(dirs)
    modes = {stat.S_IMODE(os.stat(path).st_mode) for path in dirs}

    assert modes == {0o700}
    assert (Path(dirs.data) / "format").read_text() == state.FORMAT


@pytest.mark.parametrize("what", ["a link", "a file", "somebody else's"])
def test_a_place_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """In /tmp anybody may have been first."""
    dirs = Dirs(str(tmp_path / "data"), str(tmp_path / "run"))
    if what == "a link":
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    elif what == "a file":
        (tmp_path / "run").touch()
    else:
        (tmp_path / "run").mkdir()
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises((PermissionError, FileExistsError)):
        state.prepare(dirs)


def test_a_name_is_taken_once(dirs: Dirs) -> None:
    """Of any number of claims at once one succeeds."""
    won: list[int] = []

    def claim(number: int) -> None:
        try:
            os.mkdir(state.container_dir(dirs, f"{number:064x}"))
            state.claim_name(dirs, "otter", f"{number:064x}")
            won.append(number)
        except FileExistsError:
            pass

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    assert state.resolve(dirs, "otter") == f"{won[0]:064x}"


def test_a_name_of_one_who_is_gone_is_taken_over_once(dirs: Dirs) -> None:
    """Killed in the middle, rm leaves a link to nothing; its range likewise."""
    os.symlink(IDS[0], f"{dirs.data}/names/otter")
    os.symlink(IDS[0], f"{dirs.data}/ranges/{RANGE_FIRST}")
    for container in IDS[1:]:
        add(dirs, container)
    state.claim_name(dirs, "otter", IDS[1])
    with pytest.raises(FileExistsError):
        state.claim_name(dirs, "otter", IDS[2])

    assert state.resolve(dirs, "otter") == IDS[1]
    assert state.name_of(dirs, IDS[1]) == "otter"
    assert state.claim_range(dirs, IDS[1], []) == RANGE_FIRST
    assert state.claim_range(dirs, IDS[2], []) == RANGE_FIRST + RANGE_STRIDE


def test_only_a_name_that_leads_nowhere_is_released(dirs: Dirs) -> None:
    """What is taken stays taken; no name is a path."""
    add(dirs, IDS[0], "otter")
    os.symlink(IDS[1], f"{dirs.data}/names/gone")
    released = [state.release_name(dirs, name) for name in ("otter", "gone", "gone", "../names/x")]

    assert released == [False, True, False, False]
    assert state.name_of(dirs, IDS[0]) == "otter"


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("otter", IDS[0]),
        (IDS[0], IDS[0]),
        ("ab" * 5 + "a", IDS[0]),
        (IDS[1], IDS[1]),
        ("c", IDS[2]),
        ("ab", None),
        ("", None),
        (".", None),
        ("..", None),
        ("../containers", None),
        ("f", None),
        ("otte", None),
    ],
)
def test_a_container_is_found(dirs: Dirs, reference: str, found: str | None) -> None:
    """By name, id, or a prefix of one id alone; nothing else is a path to it."""
    for container, name in zip(IDS, ("otter", "", "cd-box"), strict=True):
        add(dirs, container, name)
    if found is not None:
        assert state.resolve(dirs, reference) == found
        return
    with pytest.raises(state.NotFound):
        state.resolve(dirs, reference)


def test_a_name_goes_before_a_prefix(dirs: Dirs) -> None:
    """A name may look like the beginning of an id."""
    add(dirs, IDS[0])
    add(dirs, IDS[2], "ab")

    assert state.resolve(dirs, "ab") == IDS[2]


@given(
    st.lists(
        st.tuples(
            st.integers(RANGE_FIRST - 200_000, RANGE_FIRST + 2_000_000),
            st.integers(1, 300_000),
        ),
        max_size=5,
    ),
    st.integers(1, 6),
)
def test_ranges_overlap_nothing(
    tmp_path_factory: pytest.TempPathFactory, reserved: list[tuple[int, int]], count: int
) -> None:
    """Neither each other, nor the server's uid after each, nor what subuid(5) gives away."""
    root = tmp_path_factory.mktemp("ranges")
    dirs = Dirs(str(root), str(root / "run"))
    state.prepare(dirs)
    add(dirs, IDS[0])
    bases = [state.claim_range(dirs, IDS[0], reserved) for _ in range(count)]
    taken = [range(base, base + RANGE_LENGTH + 1) for base in bases]
    foreign = [range(first, first + length) for first, length in reserved]

    assert len(set(bases)) == count
    for number, mine in enumerate(taken):
        assert mine.start >= RANGE_FIRST
        assert mine.stop - 1 <= RANGE_LAST
        for other in [*taken[:number], *foreign]:
            assert mine.stop <= other.start or other.stop <= mine.start


def test_no_range_left_is_said(dirs: Dirs) -> None:
    """Everything is somebody else's."""
    with pytest.raises(OSError, match="no free range") as error:
        state.claim_range(dirs, IDS[0], [(0, 1 << 32)])

    assert error.value.errno == errno.ENOSPC


def test_removal_gives_everything_back(dirs: Dirs) -> None:
    """Files, sockets, name and range; the neighbour's stay; twice is harmless."""
    for container, name in ((IDS[0], "mine"), (IDS[2], "other")):
        add(dirs, container, name)
    bases = [state.claim_range(dirs, container, []) for container in (IDS[0], IDS[2])]
    state.remove_container(dirs, IDS[0])
    state.remove_container(dirs, IDS[0])

    assert state.list_containers(dirs) == [IDS[2]]
    assert os.listdir(f"{dirs.data}/names") == ["other"]
    assert os.listdir(f"{dirs.data}/ranges") == [str(bases[1])]
    assert os.listdir(dirs.run) == [IDS[2][:12]]
    assert state.claim_range(dirs, IDS[1], []) == bases[0]
    assert bases[1] - bases[0] == RANGE_STRIDE


def test_what_is_no_folder_is_no_container(dirs: Dirs) -> None:
    """A stray file beside them, or a link to somewhere, harms nobody."""
    (Path(dirs.data) / "containers" / IDS[0]).mkdir(parents=True)
    (Path(dirs.data) / "containers" / "stray").touch()
    (Path(dirs.data) / "containers" / IDS[1]).symlink_to("/")

    assert state.list_containers(dirs) == [IDS[0]]


def test_readers_see_the_old_file_or_the_new(tmp_path: Path) -> None:
    """Never a part, never nothing, and nobody else's eyes."""
    path = str(tmp_path / "state.json")
    values: list[dict[str, Any]] = [{"n": n, "pad": "x" * 50_000} for n in range(60)]
    state.write_json(path, values[0])
    seen: list[dict[str, Any]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(state.read_json(path))

    reader = threading.Thread(target=read)
    reader.start()
    for value in values:
        state.write_json(path, value)
    done.set()
    reader.join()

    assert all(value in values for value in seen)
    assert os.listdir(tmp_path) == ["state.json"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no temporary one."""
    path = str(tmp_path / "state.json")
    state.write_json(path, {"old": True})

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="full"):
        state.write_json(path, {"new": True})

    assert state.read_json(path) == {"old": True}
    assert os.listdir(tmp_path) == ["state.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null"])
def test_a_file_that_holds_no_object_is_a_value_error(tmp_path: Path, text: str) -> None:
    """Damage is told from absence."""
    (tmp_path / "x.json").write_text(text)

    with pytest.raises(ValueError):  # noqa: PT011 - json's own or ours
        state.read_json(str(tmp_path / "x.json"))
