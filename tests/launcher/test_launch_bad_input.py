"""What somebody gets wrong, or a host does not have: one line, docker's status, nothing left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from oci_user import Runtime, runtime, users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO_USER_NAMESPACES = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
SMALL_DISK = 'mount -t tmpfs -o size=4k,mode=777 none "$0" && exec "$@"'


@pytest.fixture(params=users())
def oci(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    """Check at the end that no container is left, besides what every test is checked for."""
    with runtime(request.param) as made:
        yield made


def config(oci: Runtime, text: str) -> None:
    (oci.bundle / "config.json").write_text(text)


def remove_config(oci: Runtime) -> None:
    (oci.bundle / "config.json").unlink()


def add_namespace(oci: Runtime) -> None:
    oci.edit("linux", "namespaces", to=[{"type": "mount"}, {"type": "galaxy"}])


def link_root_out(oci: Runtime) -> None:
    (oci.bundle / "way").symlink_to("/etc")
    oci.edit("root", "path", to="way")


def write_script(oci: Runtime) -> None:
    (oci.bundle / "rootfs/script").write_text("#!/no/such/interpreter\n")
    (oci.bundle / "rootfs/script").chmod(0o755)
    oci.edit("process", "args", to=["/script"])


def write_garbage(oci: Runtime) -> None:
    (oci.bundle / "rootfs/garbage").write_bytes(b"\x7fELF and no more")
    (oci.bundle / "rootfs/garbage").chmod(0o755)
    oci.edit("process", "args", to=["/garbage"])


def set_process(key: str, value: object) -> Callable[[Runtime], None]:
    return lambda oci: oci.edit("process", key, to=value)


def set_linux(key: str, value: object) -> Callable[[Runtime], None]:
    return lambda oci: oci.edit("linux", key, to=value)


LARGE = [f"V{n}={'x' * 100_000}" for n in range(22)]
CASES: dict[str, tuple[Callable[[Runtime], None], int, str]] = {
    "no config.json": (remove_config, 1, "config.json: No such file or directory"),
    "broken JSON": (lambda oci: config(oci, '{"process": '), 1, "config.json: Expecting value"),
    "deep JSON": (lambda oci: config(oci, "[" * 100_000), 1, "config.json: "),
    "a list": (lambda oci: config(oci, "[]"), 1, "config.json: it must be an object"),
    "an empty object": (lambda oci: config(oci, "{}"), 125, "spec: ociVersion must be a string"),
    "no process": (lambda oci: oci.edit("process", to=None), 125, "spec: process.args"),
    "wrong type": (set_process("args", "sh"), 125, "spec: process.args must be a list"),
    "wrong kind": (set_linux("namespaces", {}), 125, "spec: linux.namespaces must be a list"),
    "unknown namespace": (add_namespace, 125, "spec: linux.namespaces[1].type 'galaxy'"),
    "root that leads out": (link_root_out, 125, "spec: root.path 'way': a link leads out"),
    "NUL": (set_process("args", ["sh", "a\0b"]), 125, "cannot hold a NUL byte"),
    "NUL in a variable": (set_process("env", ["A=\0"]), 125, "cannot hold a NUL byte"),
    "large environment": (set_process("env", LARGE), 126, "exec: sh: Argument list too long"),
    "no program": (set_process("args", ["nosuch"]), 127, "exec: nosuch in PATH: No such file"),
    "no interpreter": (write_script, 127, "exec: /script: No such file or directory"),
    "no executable": (write_garbage, 126, "exec: /garbage: "),
    "unsupported": (set_linux("intelRdt", {"closID": "a"}), 125, "spec: linux.intelRdt is not"),
}


def failed(oci: Runtime, *words: str, **more: Any) -> tuple[int, str]:
    """Run what must fail; return its status and the line it says."""
    done = oci.run(*words, **more)

    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("ptylaunch: ")
    return done.returncode, done.stderr


@pytest.mark.parametrize("case", CASES)
def test_run_of_a_bad_bundle_is_one_line(oci: Runtime, case: str) -> None:
    """With docker's status."""
    break_it, status, words = CASES[case]
    break_it(oci)

    assert (code_and_line := failed(oci, "run", "c"))[0] == status
    assert words in code_and_line[1]


@pytest.mark.parametrize("name", ["a/b", "..", ".", "-x", "a\nb", "x" * 300, "", "a b", "ä"])
def test_name_that_is_no_id_is_refused(oci: Runtime, name: str) -> None:
    """It would become a path, or a line of its own."""
    for command in ("run", "create", "state", "delete"):
        assert failed(oci, command, "--", name)[0] in (1, 125)


def test_ids_that_nobody_has_are_refused(oci: Runtime) -> None:
    """As where /etc/subuid has no line for an ordinary user; root may have any but none twice."""
    if oci.uid == 0:
        kinds = [{"type": kind} for kind in ("mount", "uts", "user")]
        oci.edit("linux", "namespaces", to=kinds)
    twice = [{"containerID": 0, "hostID": 4_000_000_000, "size": 65_536}] * (1 + (oci.uid == 0))
    for key in ("uidMappings", "gidMappings"):
        oci.edit("linux", key, to=twice)

    status, line = failed(oci, "run", "c")

    assert status == 125
    assert "user namespace: " in line


def test_host_without_user_namespaces_says_so(oci: Runtime) -> None:
    """In the words of the setting that forbids them."""
    if oci.uid == 0:
        kinds = [{"type": "mount"}, {"type": "user"}]
        oci.edit("linux", "namespaces", to=kinds)
        oci.edit("hostname", to=None)
        oci.edit("linux", "resources", to={})  # root of a user namespace has no say on devices
        for key in ("uidMappings", "gidMappings"):
            oci.edit("linux", key, to=[{"containerID": 0, "hostID": 0, "size": 1}])
    prefix = ("unshare", "--user", "--map-root-user", "sh", "-c", NO_USER_NAMESPACES, "sh")

    status, line = failed(oci, "run", "c", prefix=prefix)

    assert status == 125
    assert "user namespace: user.max_user_namespaces is 0" in line


def test_full_disk_is_one_line(oci: Runtime) -> None:
    """Of the folder that remembers containers; there is no half of one."""
    oci.root.mkdir(exist_ok=True)
    os.chown(oci.root, oci.uid, -1)
    oci.edit("annotations", to={"a": "x" * 10_000})
    maps = () if oci.uid == 0 else ("--user", "--map-root-user")
    for key in ("uidMappings", "gidMappings") if maps else ():
        oci.edit("linux", key, to=[{"containerID": 0, "hostID": 0, "size": 1}])
    prefix = ("unshare", *maps, "--mount", "sh", "-c", SMALL_DISK, str(oci.root))

    status, line = failed(oci, "run", "c", prefix=prefix)

    assert status in (1, 125)
    assert "No space left on device" in line


def test_unknown_words_are_refused(oci: Runtime) -> None:
    """Of the command line, by their names."""
    for words, said in (
        (("run", "--fast", "c"), "unrecognized arguments: --fast"),
        (("--systemd-cgroup", "run", "c"), "cgroups made by systemd"),
        (("--cgroup-manager", "systemd", "run", "c"), "cgroups made by systemd"),
        (("checkpoint", "c"), "checkpoint is not supported"),
        (("run", "--preserve-fds", "many", "c"), "--preserve-fds"),
        (("--log-format", "xml", "list"), "--log-format"),
    ):
        status, line = failed(oci, *words)
        assert status == 1
        assert said in line
