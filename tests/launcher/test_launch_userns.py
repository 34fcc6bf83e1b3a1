"""User namespaces that are there already, as in a pod, and mounts that have ids of their own."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from oci_user import Runtime, runtime, users

if TYPE_CHECKING:
    from collections.abc import Iterator

RANGE = [{"containerID": 0, "hostID": 100000, "size": 1000}]


@pytest.fixture(params=users())
def oci(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    """Make a bundle whose boxes have a user namespace."""
    with runtime(request.param) as made:
        if made.uid == 0:
            set_namespaces(made, user={})
            for key in ("uidMappings", "gidMappings"):
                made.edit("linux", key, to=RANGE)
        yield made


def spec_of(oci: Runtime) -> dict[str, Any]:
    return json.loads((oci.bundle / "config.json").read_text())  # type: ignore[no-any-return]


def set_namespaces(oci: Runtime, **entries: dict[str, str]) -> None:
    """Replace or add namespaces by their type."""
    kept = [each for each in spec_of(oci)["linux"]["namespaces"] if each["type"] not in entries]
    added = [{"type": kind, **fields} for kind, fields in entries.items()]
    oci.edit("linux", "namespaces", to=[*kept, *added])


def test_box_joins_the_namespaces_of_another(oci: Runtime) -> None:
    """Its ids are those of the namespace, whatever it says itself; exec goes the same way."""
    oci.script("exec sleep 1000")
    oci.do("run", "--detach", "a")
    folder = f"/proc/{oci.pid('a')}/ns"
    kinds = {"user": "user", "uts": "uts", "ipc": "ipc", "network": "net"}
    set_namespaces(oci, **{kind: {"path": f"{folder}/{name}"} for kind, name in kinds.items()})
    oci.edit("linux", "uidMappings", to=[])
    oci.edit("linux", "gidMappings", to=[])
    show = "for kind in user uts ipc net; do readlink /proc/self/ns/$kind; done; id -u"
    oci.script(f"{show}; exec sleep 1000")
    oci.do("run", "--detach", "b")
    joined = oci.do("exec", "b", "sh", "-c", show).splitlines()
    theirs = [os.readlink(f"{folder}/{name}") for name in kinds.values()]
    for name in ("b", "a"):
        oci.do("delete", "--force", name)

    assert joined == [*theirs, "0"]


def test_own_user_namespace_by_its_path_is_none() -> None:
    """To enter it would be an error of the kernel's; here it asks for nothing, which is root's."""
    with runtime("root") as oci:
        set_namespaces(oci, user={"path": "/proc/self/ns/user"})
        oci.edit("linux", "uidMappings", to=[])
        oci.edit("linux", "gidMappings", to=[])
        oci.script("readlink /proc/self/ns/user")

        assert oci.do("run", "c").strip() == os.readlink("/proc/self/ns/user")


@pytest.mark.parametrize("path", ["/nonexistent", "/proc/self/ns/net", "/etc/passwd"])
def test_path_of_no_user_namespace_is_named(oci: Runtime, path: str) -> None:
    """Before anything is built."""
    set_namespaces(oci, user={"path": path})
    done = oci.run("run", "c")

    assert done.returncode == 125
    assert done.stderr.startswith(f"ptylaunch: namespaces: {path}: ")


@pytest.mark.parametrize("word", ["idmap", "ridmap"])
@pytest.mark.parametrize("own_users", [False, True])
def test_mount_has_ids_of_its_own(word: str, *, own_users: bool) -> None:
    """With a user namespace and without one; for ``idmap`` what is mounted below keeps its own."""
    with runtime("root") as oci:
        if own_users:
            set_namespaces(oci, user={})
            for key in ("uidMappings", "gidMappings"):
                oci.edit("linux", key, to=[{"containerID": 0, "hostID": 5000, "size": 1000}])
        source = oci.folder / "shared"
        source.mkdir()
        (source / "file").write_text("")
        os.chown(source / "file", 7, 8)
        maps = {
            key: [{"containerID": 0, "hostID": 5000, "size": 100}]
            for key in ("uidMappings", "gidMappings")
        }
        mount = {"destination": "/tmp", "type": "bind", "source": str(source)}
        mount |= {"options": ["rbind", word], **maps}  # type: ignore[dict-item]
        oci.edit("mounts", to=[*spec_of(oci)["mounts"], mount])
        oci.script("stat -c %u:%g /tmp/file")
        shown = oci.do("run", "c").strip()

    assert shown == ("7:8" if own_users else "5007:5008")


def test_mount_of_an_ordinary_user_has_no_ids_of_its_own() -> None:
    """Only root may idmap: said with the place."""
    with runtime(users()[-1]) as oci:
        maps = {"uidMappings": RANGE, "gidMappings": RANGE}
        mount = {"destination": "/tmp", "type": "bind", "source": "/usr", "options": ["bind"]}
        oci.edit("mounts", to=[*spec_of(oci)["mounts"], {**mount, **maps}])
        oci.script("true")
        done = oci.run("run", "c")

    assert done.returncode == 125
    assert "mount /tmp: an idmapped mount wants a caller with CAP_SYS_ADMIN" in done.stderr
