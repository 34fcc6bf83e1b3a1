"""config.json and what it is made from: volumes, environment, env files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycli.idmap import rooted
from ptycli.mount import Volume, parse_volume
from ptycli.root import host_root
from ptycli.spec import BoxOptions, make_spec, read_env_file
from ptylaunch.spec import read_plan

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = BoxOptions(["bash", "-l"], rooted(524288), "otter", root=host_root(trees=["/usr"]))


def env_of(options: BoxOptions, environ: dict[str, str] | None = None) -> dict[str, str]:
    entries = make_spec(options, environ or {})["process"]["env"]
    return dict(entry.split("=", 1) for entry in entries)


def test_launcher_understands_what_we_make() -> None:
    """The spec is complete: the runtime reads it without complaint."""
    plan = read_plan(make_spec(OPTIONS._replace(tty=True, rows=24, cols=80)), "/state")

    assert plan.root == "/state/bundle/rootfs"
    assert plan.root_readonly
    assert plan.init
    assert (plan.program.rows, plan.program.cols) == (24, 80)
    assert plan.program.no_new_privileges
    assert plan.program.capabilities.inheritable == 0


def test_all_seven_namespaces_unless_the_network_is_the_hosts() -> None:
    """And /sys is then bound, since a sysfs belongs to a network."""
    kinds = [each["type"] for each in make_spec(OPTIONS)["linux"]["namespaces"]]
    shared = make_spec(OPTIONS._replace(network="host"))
    sys = next(m for m in shared["mounts"] if m["destination"] == "/sys")

    assert set(kinds) == {"user", "mount", "pid", "uts", "ipc", "cgroup", "network"}
    assert {"type": "network"} not in shared["linux"]["namespaces"]
    assert sys["type"] == "bind"
    assert "ro" in sys["options"]
    assert "/sys/fs/cgroup" in shared["linux"]["maskedPaths"]


def test_environment_is_built_from_nothing() -> None:
    """Nothing of ours enters, unless asked for by name; later entries win."""
    options = OPTIONS._replace(env=["A=1", "COPIED", "MISSING", "A=2", "E="])
    env = env_of(options, {"COPIED": "yes", "SECRET": "no"})

    assert env == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME": "otter",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "A": "2",
        "COPIED": "yes",
        "E": "",
    }


def test_working_directory_is_home() -> None:
    """The box's home, also a given one, unless another is asked for."""
    assert make_spec(OPTIONS)["process"]["cwd"] == "/root"
    assert make_spec(OPTIONS._replace(env=["HOME=/tmp"]))["process"]["cwd"] == "/tmp"
    assert make_spec(OPTIONS._replace(cwd="/usr"))["process"]["cwd"] == "/usr"


def test_volumes_come_last_and_are_idmapped_for_root(tmp_path: Path) -> None:
    """So that they may lie on what is mounted before, and host root's files are box root's."""
    options = OPTIONS._replace(volumes=[parse_volume(f"{tmp_path}:/home/data:ro")])
    mount = make_spec(options)["mounts"][-1]
    plain = make_spec(options._replace(maps=options.maps._replace(rooted=False)))["mounts"][-1]

    assert mount["destination"] == "/home/data"
    assert {"rbind", "ro", "nosuid", "nodev", "ridmap"} == set(mount["options"])
    assert "ridmap" not in plain["options"]


def test_volume_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative sources are ours, targets are cleaned, files and folders are told apart."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()

    assert parse_volume(".:/data//x/") == Volume(str(tmp_path), "/data/x")
    assert parse_volume("file:/f:ro") == Volume(str(tmp_path / "file"), "/f", True, False)
    assert parse_volume("file:/f").mount_point == "/f"
    assert parse_volume(".:/f").mount_point == "/f/"


@pytest.mark.parametrize(
    "text",
    ["", "x", ":", "/usr:", ":/x", "/usr:x", "/usr:/", "/usr:/x:rx", "/no/such:/x", "/usr:/proc/1",
     "/usr:/a/../sys", "/usr://"],
)  # fmt: skip
def test_bad_volume_is_refused(text: str) -> None:
    """With a line that names it."""
    with pytest.raises(ValueError, match="volume"):
        parse_volume(text)


def test_env_file_is_dockers(tmp_path: Path) -> None:
    """Comments and blank lines go, values stand as they are, a bare name is copied."""
    path = tmp_path / "env"
    path.write_bytes(b"\xef\xbb\xbf# c\n\n  A=1 2 \nB='q' # no comment\r\nC\nD==\n")

    assert read_env_file(str(path)) == ["A=1 2 ", "B='q' # no comment", "C", "D=="]
    assert env_of(OPTIONS._replace(env_files=[str(path)]), {"C": "c"})["C"] == "c"


@pytest.mark.parametrize("data", [b"A B=1", b"=x", b"A=\xff", b"A=\0"])
def test_bad_env_file_is_refused_with_its_line(tmp_path: Path, data: bytes) -> None:
    """docker refuses names with blanks too."""
    path = tmp_path / "env"
    path.write_bytes(b"OK=1\n" + data)

    with pytest.raises(ValueError, match=":2: "):
        read_env_file(str(path))


@given(st.lists(st.from_regex(r"[A-Za-z_]{1,5}=[^\n\r\0]{0,9}", fullmatch=True)))
def test_every_entry_of_an_env_file_arrives(
    tmp_path_factory: pytest.TempPathFactory, entries: list[str]
) -> None:
    """Line for line."""
    path = tmp_path_factory.mktemp("env") / "env"
    path.write_bytes("\n".join(entries).encode())

    assert read_env_file(str(path)) == entries
