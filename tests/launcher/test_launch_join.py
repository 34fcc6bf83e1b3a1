"""A second program in a box: what it is, what it sees, and how it fails; for every caller."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from boxes import Caller, callers, run_box

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLERS = callers()
every_caller = pytest.mark.parametrize("caller", CALLERS, ids=str)
ranged_callers = pytest.mark.parametrize(
    "caller", [caller for caller in CALLERS if caller.ids == "range"], ids=str
)
WAITING = ["sh", "-c", "echo ready; exec sleep 1000"]


def joins(caller: Caller, *wishes: dict[str, Any], **box: Any) -> list[dict[str, Any]]:
    """Join one box for each wish; return what became of them."""
    result = run_box(
        caller, box.pop("args", WAITING), driver="join_driver", joins=list(wishes), **box
    )
    assert result.left == []
    found: list[dict[str, Any]] = result.info["joins"]
    return found


def shell(script: str, **wish: Any) -> dict[str, Any]:
    return {"args": ["sh", "-c", script], **wish}


@every_caller
def test_program_has_three_pipes_and_a_status(caller: Caller) -> None:
    """Streams stay apart, also when they are opened again by name."""
    script = "cat; echo out > /dev/stdout; echo err >&2; id -u; exit 7"
    (done,) = joins(caller, shell(script, stdin="typed\n"))

    assert (done["status"], done["output"], done["errors"]) == (7, "typed\nout\n0\n", "err\n")


@every_caller
def test_program_has_a_terminal_of_the_box(caller: Caller) -> None:
    """The next of the box's own, with its size, a session leader's; the console stays another's."""
    script = "tty; stty size; ps -o pid=,sid=,tpgid=,tty= -p $$; ls -1 /dev/pts"
    (done,) = joins(
        caller, shell(script, tty=True), args=["sh", "-c", "echo ready; exec sleep 1000"]
    )
    name, size, process, *_ = done["output"].splitlines()
    pid, sid, _, tty = process.split()

    assert (name, size, tty, sid) == ("/dev/pts/0", "20 90", "pts/0", pid)


@every_caller
def test_program_is_in_every_namespace_of_the_box(caller: Caller) -> None:
    """The same as pid 2, which is the box's own program; so are the root and the host name."""
    script = """
        for n in user mnt pid net ipc uts cgroup; do
            test $(readlink /proc/self/ns/$n) = $(readlink /proc/2/ns/$n) || echo other $n
        done
        test -e /proc/self/root/proc/2/comm && cat /proc/2/comm; hostname; pwd
        echo mine > /tmp/x
    """
    first, second = joins(caller, shell(script), shell("cat /tmp/x"))

    assert (first["output"], first["errors"]) == ("sleep\nbrave_otter\n/root\n", "")
    assert second["output"] == "mine\n"


@every_caller
def test_program_has_no_more_than_the_box(caller: Caller) -> None:
    """Capabilities, no_new_privs, limits, signals, descriptors, environment, keyring: pid 2's."""
    script = (
        "grep -E '^(Cap|NoNew|Sig[BI]|Seccomp:|Groups)' /proc/$1/status; cat /proc/$1/limits;"
        "cat /proc/$1/oom_score_adj; cat /proc/$1/environ | tr '\\0' '\\n' | grep -v ^PWD= | sort"
    )
    limits = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]
    box = [[["process", "rlimits"], limits], [["process", "oomScoreAdj"], 300]]
    ours, theirs, fds = joins(
        caller,
        {"args": ["sh", "-c", script, "sh", "self"]},
        {"args": ["sh", "-c", script, "sh", "2"]},
        shell("ls /proc/$$/fd; umask"),
        edit=box,
    )

    assert ours["output"] == theirs["output"]
    assert "CANARY" not in ours["output"]
    assert "NoNewPrivs:\t1" in ours["output"]
    assert fds["output"] == "0\n1\n2\n0022\n"


@ranged_callers
def test_program_may_be_another_user(caller: Caller) -> None:
    """By number or by a name of the box's, which brings its groups and home; no privileges."""
    script = "id -u; id -g; id -G; echo $HOME; grep CapEff /proc/self/status; echo >/dev/stderr"
    etc = "printf 'ann:x:1000:1001::/tmp:/bin/sh\n' > /tmp/passwd"
    number, pair, root, missing = joins(
        caller,
        shell(script, user="1000", home=True, edit=[[["cwd"], "/"]]),
        shell(script, user="12:34", edit=[[["cwd"], "/"]], tty=True),
        shell(script, user="root", home=True),
        shell(script, user="nobody-there"),
        args=["sh", "-c", f"{etc}; echo ready; exec sleep 1000"],
    )
    none, eleven = "0000000000000000", "00000000800405fb"

    assert number["output"] == f"1000\n0\n0\n/\nCapEff:\t{none}\n"
    # Only host root can give a pipe away.
    assert number["errors"] == ("\n" if caller.user == "root" else number["errors"])
    assert pair["output"].startswith(f"12\n34\n34\n/root\nCapEff:\t{none}\n")
    assert root["output"] == f"0\n0\n0\n/root\nCapEff:\t{eleven}\n"
    assert (missing["stage"], missing["errno"]) == ("user", "ENOENT")


@every_caller
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGSEGV])
def test_program_ends_by_its_own_signal(caller: Caller, number: signal.Signals) -> None:
    """It is a child of the caller, who signals it and sees how it ended."""
    (done,) = joins(caller, shell("echo ready; exec sleep 1000", signal=int(number)))

    assert done["status"] == -number


@every_caller
def test_failures_have_a_stage_and_dockers_codes(caller: Caller) -> None:
    """127 not found, 126 not executable, 125 the rest; nothing is left of any."""
    missing, file, folder, cwd, user, unmapped = joins(
        caller,
        {"args": ["no-such"]},
        {"args": ["/etc/passwd"]},
        {"args": ["/usr"], "tty": True},
        {"args": ["true"], "edit": [[["cwd"], "/no/such"]]},
        {"args": ["true"], "user": "-1"},
        {"args": ["true"], "user": "4000000000"},
    )

    assert [(one["stage"], one["exit_code"]) for one in (missing, file, folder)] == [
        ("exec", 127),
        ("exec", 126),
        ("exec", 126),
    ]
    assert (cwd["stage"], cwd["errno"], cwd["exit_code"]) == ("cwd", "ENOENT", 125)
    assert user["stage"] == "spec"
    assert unmapped["errno"] == "EINVAL"


@every_caller
@pytest.mark.parametrize(
    "edit",
    [
        [["capabilities", "bounding"], ["CAP_SYS_ADMIN"]],
        [["capabilities", "ambient"], ["CAP_NET_ADMIN"]],
        [["noNewPrivileges"], False],
        [["rlimits"], [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 201}]],
        [["oomScoreAdj"], 299],
    ],
    ids=lambda edit: edit[0][-1],
)
def test_more_than_the_box_has_is_refused(caller: Caller, edit: list[Any]) -> None:
    """Whatever the request says, before anything is started."""
    limits = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]
    (done,) = joins(
        caller,
        {"args": ["true"], "edit": [edit]},
        edit=[[["process", "rlimits"], limits], [["process", "oomScoreAdj"], 300]],
    )

    assert (done["stage"], done["errno"]) == ("privileges", "EPERM")


@every_caller
def test_many_join_at_once(caller: Caller) -> None:
    """Thirty programs, each with its own terminal or pipes and status."""
    wishes = [shell(f"echo {n}; exit {n}", tty=n % 2 == 0) for n in range(30)]
    done = joins(caller, *wishes, together=True)

    assert [(one["status"], one["output"]) for one in done] == [(n, f"{n}\n") for n in range(30)]


@every_caller
@pytest.mark.parametrize("tty", [True, False])
def test_joining_a_dying_box_fails_in_one_line(caller: Caller, *, tty: bool) -> None:
    """Or the program is killed with it; nobody waits, nothing is left."""
    wishes = [shell("sleep 1000", tty=tty)] * 4
    for one in joins(caller, *wishes, dying=True, together=True):
        if one["failure"] is None:
            assert one["status"] == -signal.SIGKILL
        else:
            assert one["exit_code"] == 125


@every_caller
def test_box_without_an_init_can_be_joined(caller: Caller) -> None:
    """Plain OCI: pid 1 is the program."""
    script = "readlink /proc/1/ns/mnt /proc/self/ns/mnt | uniq | wc -l"
    (done,) = joins(caller, shell(script), init=False)

    assert done["output"] == "1\n"


@every_caller
def test_stranger_joins_by_pid(caller: Caller) -> None:
    """As ``ptylaunch exec`` does: only pid 1 and when it was started are known."""
    (done,) = joins(caller, shell("hostname; id -u", by="pid"), init=False)

    assert done["output"] == "brave_otter\n0\n"


@every_caller
def test_a_pid_that_was_given_to_another_is_refused(caller: Caller) -> None:
    """It was started at another time than the box was."""
    (done,) = joins(caller, shell("true", by="pid", late=1), init=False)

    assert (done["stage"], done["errno"]) == ("join", "ESRCH")


@pytest.fixture
def neighbour() -> Iterator[int]:
    """The pid of a process with a network and a name of its own."""
    command = ["unshare", "--net", "--uts", "sh", "-c"]
    process = subprocess.Popen(
        [*command, "hostname neighbour; echo; exec sleep infinity"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"\n"
    yield process.pid
    process.kill()
    process.wait()
    process.stdout.close()


rooted_callers = pytest.mark.parametrize(
    "caller", [caller for caller in CALLERS if caller.user == "root"], ids=str
)


@rooted_callers
def test_namespaces_given_by_path_are_the_boxes(caller: Caller, neighbour: int) -> None:
    """Somebody else's network and name, by ``linux.namespaces[].path``; joining finds them too."""
    kinds = {"network": "net", "uts": "uts"}
    namespaces: list[dict[str, str]] = [
        {"type": kind, "path": f"/proc/{neighbour}/ns/{name}"} for kind, name in kinds.items()
    ]
    namespaces += [{"type": kind} for kind in ("user", "mount", "pid", "ipc", "cgroup")]
    script = "readlink /proc/self/ns/net /proc/self/ns/uts; hostname"
    edit = [[["linux", "namespaces"], namespaces], [["hostname"], ""]]
    # The host's /sys: a new one wants a network namespace that belongs to the box (sysfs(5)).
    box = run_box(caller, ["sh", "-c", script], edit=edit, network="host")
    (done,) = joins(caller, shell(script), edit=edit, network="host")
    theirs = [os.readlink(f"/proc/{neighbour}/ns/{name}") for name in kinds.values()]

    assert box.failure is None
    assert box.output.split() == [*theirs, "neighbour"]
    assert done["output"] == box.output


@every_caller
@pytest.mark.parametrize(
    ("kind", "path", "code"),
    [
        ("network", "/proc/self/ns/uts", "EINVAL"),
        ("network", "/no/such", "ENOENT"),
        ("uts", "/etc/passwd", "EINVAL"),
        ("mount", "/proc/1/ns/mnt", "EINVAL"),
        ("network", "relative", "EINVAL"),
    ],
)
def test_a_path_that_is_no_such_namespace_is_refused(
    caller: Caller, kind: str, path: str, code: str
) -> None:
    """By its name; nothing is left."""
    kinds = [each for each in ("user", "mount", "pid", "ipc") if each != kind]
    namespaces = [{"type": kind, "path": path}, *({"type": each} for each in kinds)]
    edit = [[["linux", "namespaces"], namespaces], [["hostname"], ""]]
    result = run_box(caller, ["true"], edit=edit)

    assert result.failure is not None
    assert (result.failure["errno"], result.failure["exit_code"]) == (code, 125)
    assert result.left == []
