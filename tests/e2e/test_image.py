"""``--image``: a layout becomes a box, for root and for an ordinary user."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from layouts import Layout, archive, archive_of, entry, folder, hardlink, symlink
from small_root import make_root
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ptyd_user import Ptyd

CHANGES = archive(
    [
        folder("srv/app", 0o750, uid=1000, gid=1001),
        entry("srv/app/secret", b"ann's\n", mode=0o600, uid=1000, gid=1001),
        entry("etc/.wh.removed"),
        hardlink("etc/again", "etc/kept"),
        symlink("etc/resolv.conf", "../run/nowhere/resolv.conf"),
    ]
)
CONFIG = {
    "Env": ["FOO=image", "BAR=image"],
    "Cmd": ["id"],
    "WorkingDir": "/made/for/it",
    "User": "ann",
    "ExposedPorts": {"80/tcp": {}},
    "StopSignal": "SIGUSR1",
}


_REMOVE = """
import os
from ptycli.idmap import rooted, rootless
from ptycli.image.store import list_trees, remove_tree
from ptykeep.state import directories
maps = rootless() if os.geteuid() else rooted(524288)
for key in list_trees(directories()):
    remove_tree(directories(), key, maps)
"""


class Place(NamedTuple):
    """The commands of somebody, and a folder that they can read."""

    ptyd: Ptyd
    folder: Path

    def image(self, *layers: bytes, packed: bool | str = True, **config: Any) -> str:
        """Make a layout; return what names it."""
        layout = Layout(self.folder / "layout")
        layout.add(layout.manifest(layers, config, packed=packed), "v1")
        for path in (self.folder, layout.path, *layout.path.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        return f"oci:{layout.path}:v1"

    def trees(self) -> list[str]:
        return os.listdir(f"{self.ptyd.root}/images/trees")

    def remove_trees(self) -> str:
        """Remove all trees that no container has, as whoever they belong to; return complaints."""
        python = [*self.ptyd._prefix, str(self.ptyd._programs / "python"), "-c", _REMOVE]
        done = subprocess.run(
            python, check=False, capture_output=True, text=True, env=self.ptyd.env, timeout=60
        )
        return done.stderr

    def unfinished(self) -> list[str]:
        return os.listdir(f"{self.ptyd.root}/images/unpacking")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A layer of a small root."""
    root = make_root(tmp_path_factory.mktemp("base") / "root")
    (root / "etc/removed").write_text("x")
    (root / "etc/kept").write_text("kept\n")
    return archive_of(root)


@pytest.fixture
def mine(ptyd: Ptyd, tmp_path: Path) -> Iterator[Place]:
    place = Place(ptyd, tmp_path)
    yield place
    place.remove_trees()


@pytest.fixture
def of_a_user(theirs: Ptyd, folder: Path) -> Iterator[Place]:
    place = Place(theirs, folder)
    yield place
    place.remove_trees()


@pytest.fixture(params=["me", "ordinary"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue("mine" if request.param == "me" else "of_a_user")
    return found


def test_an_image_runs_as_it_wants(place: Place, base: bytes) -> None:
    """Its user, its variables and folder; its layers' files belong to whom they say."""
    image = place.image(base, CHANGES, **CONFIG)
    done = place.ptyd("run", "--rm", f"--image={image}")
    assert done == (0, b"uid=1000(ann) gid=1001(ann) groups=1001(ann),77(club)\n", "")

    script = "pwd; echo $FOO $BAR $HOME; cat /srv/app/secret; ls -ln /srv; ls /etc; cat /etc/again"
    done = place.ptyd("run", "--rm", f"--image={image}", "-e", "BAR=ours", "sh", "-c", script)

    lines = done.out.decode().splitlines()
    assert (done.code, done.err) == (0, "")
    assert lines[:3] == ["/made/for/it", "image ours /home/ann", "ann's"]
    assert lines[4].split()[:4] == ["drwxr-x---", "2", "1000", "1001"]
    assert "removed" not in lines
    assert {"hosts", "hostname", "resolv.conf", "kept"} < set(lines)
    assert len(place.trees()) == 1
    assert place.ptyd.left() == []


def test_layers_may_be_packed_with_zstd(place: Place, base: bytes) -> None:
    """By the program of that name, which is asked for where it is not installed."""
    image = place.image(base, CHANGES, packed="zstd")
    few = place.folder / "few"
    few.mkdir()
    for name in ("setpriv", "newuidmap", "newgidmap"):
        (few / name).symlink_to(f"/usr/bin/{name}")
    without = place.ptyd("run", f"--image={image}", "true", PATH=str(few))
    done = place.ptyd("run", "--rm", f"--image={image}", "cat", "/etc/again")

    assert (without.code, without.err.count("\n")) == (125, 1)
    assert "zstd, which is not installed" in without.err
    assert done == (0, b"kept\n", "")
    assert place.unfinished() == []


def test_what_is_written_is_the_boxs_own(place: Place, base: bytes) -> None:
    """The next one starts from the image; files of layers may be changed by whose they are."""
    image = place.image(base, CHANGES)
    script = (
        "echo x >/etc/kept; rm -r /srv /etc/again; chown -R 1000 /etc; touch /new; cat /etc/kept"
    )
    first = place.ptyd("run", "--rm", f"--image={image}", "sh", "-ec", script)
    second = place.ptyd(
        "run", "--rm", f"--image={image}", "sh", "-c", "cat /etc/kept; ls /srv /new"
    )

    assert (first.code, first.out) == (0, b"x\n"), first.err
    assert second.out == b"kept\n/srv:\napp\n"
    assert place.ptyd.left() == []


def test_words_of_docker(place: Place, base: bytes) -> None:
    """--entrypoint and --user replace the image's; without a command there must be one."""
    image = place.image(base, Entrypoint=["/bin/cat"], Cmd=["/etc/kept"], User="ann")
    run = ("run", "--rm", f"--image={image}")

    assert place.ptyd(*run).out == b"kept\n"
    assert place.ptyd(*run, "/etc/group").out.startswith(b"root:")
    assert place.ptyd(*run, "--entrypoint=id", "--", "-u").out == b"1000\n"
    assert place.ptyd(*run, "--entrypoint=id", "--user=0", "--", "-u").out == b"0\n"
    none = place.ptyd(*run, "--entrypoint=")
    assert (none.code, "no command of its own" in none.err) == (125, True)
    assert place.ptyd("run", "--rm", "--image=host", "--entrypoint=echo", "hi").out == b"hi\n"


def test_a_command_that_is_not_there_does_not_drive_the_terminal(place: Place, base: bytes) -> None:
    """Its name is the image's; the complaint is one line of text."""
    image = place.image(base, Cmd=["\x1b]0;mine\x07\nyours"])
    done = place.ptyd("run", f"--image={image}")

    assert (done.code, done.err.count("\n")) == (127, 1)
    assert done.err.removesuffix("\n").isprintable()
    assert place.ptyd.left() == []


def test_a_stop_signal_is_the_images(place: Place, base: bytes) -> None:
    """SIGUSR1 instead of SIGTERM, when it says so."""
    image = place.image(base, **CONFIG)
    script = "trap 'echo usr1; exit 3' USR1; trap '' TERM; echo ready; while :; do sleep 0.1; done"
    container = place.ptyd.start("--no-tty", f"--image={image}", "sh", "-c", script)
    with container.attach() as client:
        client.read_until("ready")
        assert place.ptyd("stop", container.id).code == 0
        assert container.wait_for_status() == 3
    container.remove()


def test_exec_enters_an_image(place: Place, base: bytes) -> None:
    """With its users, its programs and variables, and what the box wrote."""
    image = place.image(base, **CONFIG)
    script = "touch /tmp/made; echo ready; exec cat"
    container = place.ptyd.start(f"--image={image}", "sh", "-c", script)
    with container.attach() as client:
        client.read_until("ready")
    script = "ls /tmp; echo $FOO; id -u"
    done = place.ptyd("exec", container.id, "sh", "-c", script)
    other = place.ptyd("exec", "-u", "0", container.id, "sh", "-c", script)
    container.remove()

    assert (done.code, done.out) == (0, b"made\nimage\n1000\n"), done.err
    assert other.out == b"made\nimage\n0\n"


def test_exposed_ports_are_published_when_asked(mine: Place, base: bytes) -> None:
    """-P: each on a free port of this host."""
    image = mine.image(base, **CONFIG)
    container = mine.ptyd.start("-P", f"--image={image}", "sleep", "60")
    described = mine.ptyd.inspect(container.id)
    container.remove()

    assert '"inside": 80' in json.dumps(described["Network"])
    assert described["Config"]["Image"] == image
    assert described["Config"]["StopSignal"] == signal.SIGUSR1


def test_boxes_that_start_at_once_share_one_tree(place: Place, base: bytes) -> None:
    """It is unpacked once; all of them run."""
    image = place.image(base, CHANGES)
    command = place.ptyd.command("ptyd", "run", "--rm", f"--image={image}", "cat", "/etc/kept")
    started = [
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, env=place.ptyd.env)
        for _ in range(4)
    ]  # fmt: skip
    said = [process.communicate(timeout=60) for process in started]

    assert said == [(b"kept\n", b"")] * 4
    assert len(place.trees()) == 1
    assert place.unfinished() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_half_a_tree_is_never_taken_for_one(
    place: Place, base: bytes, number: signal.Signals
) -> None:
    """A signal in the middle of unpacking: nothing is used of it; the next start makes it anew."""
    filler = archive([entry(f"filler/{name}", bytes(4000)) for name in range(20000)])
    image = place.image(base, filler)
    unpacking = Path(place.ptyd.root, "images/unpacking")
    with place.ptyd.background("ptyd", "run", "--rm", f"--image={image}", "true") as process:
        wait_until(lambda: list(unpacking.glob("*/root/filler/*")), what="the unpacking")
        process.send_signal(number)
        code = process.wait()

    assert place.trees() == []
    if number == signal.SIGINT:
        assert (code, place.unfinished(), place.ptyd.left()) == (130, [], [])
    done = place.ptyd("run", "--rm", f"--image={image}", "sh", "-c", "ls /filler | cat")
    assert len(done.out.split()) == 20000
    assert place.unfinished() == []
    place.ptyd.remove_all()


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ("digest", "its digest is another"),
        ("cut", "bytes, not"),
        ("missing", "No such file"),
        ("lead", "no name within a layer"),
    ],
)
def test_a_bad_image_leaves_nothing(place: Place, base: bytes, how: str, line: str) -> None:
    """One line that names what is wrong, 125, no tree and no container."""
    hostile = archive([entry("../x")]) if how == "lead" else CHANGES
    image = place.image(base, hostile, **CONFIG)
    layout = place.folder / "layout"
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    document = json.loads((layout / "blobs" / manifest.replace(":", "/")).read_text())
    blob = layout / "blobs" / document["layers"][1]["digest"].replace(":", "/")
    data = blob.read_bytes()
    if how == "digest":
        blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif how == "cut":
        blob.write_bytes(data[: len(data) // 2])
    elif how == "missing":
        blob.unlink()
    done = place.ptyd("run", f"--image={image}")

    assert (done.code, len(done.err.splitlines())) == (125, 1), done.err
    assert done.err.startswith(f"ptyd run: --image {image}: ")
    assert line in done.err
    assert (place.trees(), place.unfinished()) == ([], [])
    assert place.ptyd.left() == []


def test_what_is_no_image_is_refused_with_a_line(anybody: Ptyd) -> None:
    """Other kinds of archive, by what they are; options that do not go together."""
    for words, line in (
        (["--image=docker-archive:/x.tar"], "oci:DIR"),
        (["--image=busybox"], "no image busybox:latest"),
        (["--image=oci:"], "oci:DIR"),
        (["--image="], "want a value"),
        (["--rootfs="], "want a value"),
        (["--image=oci:/no/such:x"], "No such file"),
        (["--image=oci:/usr"], "oci-layout"),
        (["--image=oci:/x", "--rootfs=/y"], "exclude"),
        (["--image=oci:/x", "--writable"], "exclude"),
    ):
        done = anybody("run", *words, "true")

        assert (done.code, len(done.err.splitlines())) == (125, 1)
        assert line in done.err
    assert anybody.left() == []


def test_an_image_without_folders_gets_what_a_box_needs(place: Place, base: bytes) -> None:
    """Mount points are made above it; read-only, nothing else is."""
    image = place.image(base)
    script = "ls -d /dev/null /proc/self /sys/kernel /x/y; touch /z"
    done = place.ptyd("run", "--rm", "--read-only", "--tmpfs=/x/y", f"--image={image}", "sh", "-c",
                      script)  # fmt: skip

    assert done.out == b"/dev/null\n/proc/self\n/sys/kernel\n/x/y\n"
    assert "Read-only file system" in done.err


def test_a_tree_in_use_stays(place: Place, base: bytes) -> None:
    """It can be removed, whoever owns what is in it, when no container has it."""
    image = place.image(base, CHANGES)
    container = place.ptyd.start(f"--image={image}", "sleep", "60")
    complaint = place.remove_trees()
    assert f"InUse: container {container.id[:12]} has it" in complaint
    assert len(place.trees()) == 1
    container.remove()

    assert place.remove_trees() == ""
    assert place.trees() == place.unfinished() == []


def test_a_layout_of_buildah_runs(mine: Place, tmp_path: Path) -> None:
    """What another tool makes, from nothing and copied files."""
    make_root(tmp_path / "root")
    buildah = ["buildah", "--root", f"{tmp_path}/store", "--runroot", f"{tmp_path}/run",
               "--storage-driver", "vfs"]  # fmt: skip

    def call(*words: str) -> str:
        done = subprocess.run([*buildah, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    working = call("from", "scratch")
    call("copy", working, f"{tmp_path}/root", "/")
    call("config", "--env", "FOO=bar", "--cmd", "env", "--user", "ann", working)
    call("commit", working, "made")
    call("push", "made", f"oci:{tmp_path}/layout:latest")
    call("rm", working)
    done = mine.ptyd("run", "--rm", f"--image=oci:{tmp_path}/layout:latest")

    assert done.code == 0, done.err
    assert {b"FOO=bar", b"HOME=/home/ann"} < set(done.out.splitlines())
