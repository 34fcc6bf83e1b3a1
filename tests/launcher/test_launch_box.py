"""Boxes as they are seen from inside and from their caller: real ones, for every kind of caller."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import time

import pytest

from boxes import Caller, Result, callers, run_box
from ptylaunch import init
from ptylaunch import syscall as sc

CALLERS = callers()
every_caller = pytest.mark.parametrize("caller", CALLERS, ids=str)
ranged_callers = pytest.mark.parametrize(
    "caller", [caller for caller in CALLERS if caller.ids == "range"], ids=str
)


def shell(caller: Caller, script: str, **request: object) -> Result:
    result = run_box(caller, ["sh", "-c", script], **request)
    assert result.failure is None
    assert result.left == []
    return result


@every_caller
def test_program_runs_as_root_of_a_box_with_three_pipes(caller: Caller) -> None:
    """Streams stay apart, the exit status is the program's, the skeleton names the ids."""
    result = shell(caller, "id -u; hostname; cat; echo wrong >&2; exit 7", stdin="typed\n")

    assert (result.status, result.output, result.errors) == (
        7,
        "0\nbrave_otter\ntyped\n",
        "wrong\n",
    )


@every_caller
def test_program_owns_the_terminal_of_its_box(caller: Caller) -> None:
    """It is the box's first pts, has the asked size, is /dev/console too and takes job control."""
    result = shell(
        caller,
        "tty; stty size; ls -1 /dev/pts; echo console >/dev/console; ps -o pid=,sid=,tty= -p $$",
        tty=True,
    )

    assert result.status == 0
    assert result.output.splitlines() == [
        "/dev/pts/0",
        "33 101",
        "0",
        "ptmx",
        "console",
        "      2       2 pts/0",
    ]
    assert result.info["nonblocking"]
    assert result.info["inheritable"] == [False, False]


@every_caller
@pytest.mark.parametrize("init", [True, False])
def test_program_is_pid_1_unless_the_annotation_asks_for_an_init(
    caller: Caller, *, init: bool
) -> None:
    """Plain OCI has no init; the keeper's boxes have one and the program is its child."""
    result = shell(caller, "echo $$", init=init, tty=True)

    assert result.output == ("2\n" if init else "1\n")
    assert result.info["same"] is not init


@every_caller
def test_an_init_has_a_filter_of_its_own(caller: Caller) -> None:
    """It waits, reaps and passes signals on, and may do nothing else; whatever the program may."""
    script = "grep -e ^Seccomp: -e ^NoNewPrivs /proc/1/status; (exit 3); kill -USR1 1; sleep 100"
    result = shell(caller, script)

    assert result.output.split() == ["NoNewPrivs:", "1", "Seccomp:", "2"]
    assert result.status == 128 + signal.SIGUSR1


def test_what_an_init_does_not_do_is_refused() -> None:
    """Files, programs, sockets: EPERM, for good."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            sc.prctl(sc.PR_SET_NO_NEW_PRIVS, 1)
            init.confine(init.own_filter())
            for attempt in (lambda: os.open("/", os.O_RDONLY), os.fork, socket.socketpair):
                try:
                    attempt()
                except PermissionError:
                    os.write(write_fd, b"-")
            os.write(write_fd, b".")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(write_fd)
    said = os.read(read_fd, 64)
    os.close(read_fd)

    assert said == b"---."


def text_size(pid: int) -> int:
    """Return the KiB of program text that a process has in its page tables."""
    total, counts = 0, False
    with open(f"/proc/{pid}/smaps") as file:
        for line in file:
            words = line.split()
            if "-" in words[0]:
                counts = words[1] == "r-xp"
            elif words[0] == "Rss:" and counts:
                total += int(words[1])
    return total


def test_an_init_lets_go_of_the_text_of_the_build() -> None:
    """What it ran until then is not what it runs from then on; it is read again if it has to be."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            sorted(json.dumps([time.localtime(each).tm_yday for each in range(1000)]))
            text = init.find_text(os.open("/proc/self/maps", os.O_RDONLY))
            theirs.send(b"built")
            theirs.recv(1)
            init.forget_text(text)
            theirs.send(b"waits")
            theirs.recv(1)
        finally:
            os._exit(0)
    with ours, theirs:
        built = (ours.recv(8), text_size(pid))
        ours.send(b"-")
        waits = (ours.recv(8), text_size(pid))
        ours.send(b"-")
    os.waitpid(pid, 0)

    assert (built[0], waits[0]) == (b"built", b"waits")
    assert waits[1] < built[1]


@every_caller
def test_nothing_of_the_host_shows(caller: Caller) -> None:
    """Own processes, mounts, interfaces, ids; no environment of the caller, no host file."""
    script = """
        ps -e -o pid= | wc -l
        ls /sys/class/net /home /root /run /var/tmp
        env | grep -c CANARY
        cat /proc/1/environ; ls /proc/1/fd /proc/1/root
        cat /etc/shadow
        ls /proc/self/fd | wc -l
        awk '$5 ~ /old/' /proc/self/mountinfo
        grep -c . /proc/keys /proc/interrupts
    """
    result = shell(caller, script)
    lines = result.output.split("\n")

    assert lines[0].strip() == "4"  # init, sh, ps, wc
    assert "lo" in lines
    assert lines[lines.index("/var/tmp:") + 1] == "0"
    assert "caller-secret" not in result.output
    assert result.errors.count("Permission denied") == 3
    assert "/etc/shadow: No such file" in result.errors
    assert lines[-4] == "4"  # 0, 1, 2 and the listing's own
    assert lines[-3:] == ["/proc/keys:0", "/proc/interrupts:0", ""]


@every_caller
def test_pid_1_has_no_path_of_the_host(caller: Caller) -> None:
    """Nothing that can be read of it says where Python or the launcher lies."""
    script = """
        cat /proc/1/cmdline /proc/1/comm | tr '\\000' '\\n'
        cd /proc/1 && readlink exe cwd root
        cat $(ls -p | grep -v /$ | grep -v -e mountinfo -e mounts) | grep -a -i -e python -e launch
    """
    result = shell(caller, script)

    assert result.output == "ptyd-init\nptyd-init\n"


@every_caller
def test_what_the_kernel_makes_for_a_namespace_is_the_boxs_roots(caller: Caller) -> None:
    """A network namespace older than the maps would have files of nobody, for good."""
    result = shell(caller, "stat -c %u:%g /proc/net/dev /sys/class/net/lo/uevent /proc/1/net")

    assert result.output.split() == ["0:0"] * 3


@every_caller
def test_privileges_are_those_of_the_spec(caller: Caller) -> None:
    """Eleven capabilities, none inheritable; no new privileges; init has none at all."""
    script = (
        "grep -E '^(Cap|NoNew|Sig[BI])' /proc/self/status; grep -E '^(Cap|NoNew)' /proc/1/status"
    )
    result = shell(caller, script)
    none, eleven = "0000000000000000", "00000000800405fb"
    lines = [line.split() for line in result.output.splitlines()]

    assert [line[1] for line in lines[:2]] == [none, none]  # no signal blocked or ignored
    assert [line[1] for line in lines[2:8]] == [none, eleven, eleven, eleven, none, "1"]
    assert [line[1] for line in lines[8:]] == [none] * 5 + ["1"]


@every_caller
def test_what_is_read_only_stays_so(caller: Caller) -> None:
    """Root, /usr and the kernel's switches refuse writes; /tmp and home take them."""
    script = """
        for f in /x /etc/x /usr/x /proc/sys/kernel/core_pattern /proc/sysrq-trigger /sys/x; do
            (echo > $f) 2>/dev/null && echo WRITABLE $f
        done
        mount -o remount,rw / 2>/dev/null && echo REMOUNTED
        umount /proc/keys 2>/dev/null && echo UNMOUNTED
        for f in /tmp/x /root/x /home/x /run/x /var/tmp/x /dev/shm/x; do echo > $f; done
        unshare -m true 2>/dev/null && echo UNSHARED
        mknod /tmp/null c 1 3 2>/dev/null && echo NODE
        true
    """
    result = shell(caller, script)

    assert (result.output, result.errors) == ("", "")


@every_caller
def test_pipes_can_be_opened_again_by_name(caller: Caller) -> None:
    """``echo >/dev/stderr`` works although the pipes were made on the host."""
    result = shell(
        caller, "echo out >/dev/stdout; echo err >/dev/stderr; cat /dev/stdin", stdin="in"
    )

    assert (result.output, result.errors) == ("out\nin", "err\n")


@ranged_callers
def test_program_may_be_another_user(caller: Caller) -> None:
    """setgroups, setgid and setuid of the spec hold; signals still reach it through init."""
    user = {"uid": 1000, "gid": 1001, "additionalGids": [5, 100], "umask": 0o027}
    result = shell(
        caller,
        "id -u; id -g; id -G; umask; grep CapEff /proc/self/status; echo ready >/dev/tty; exec cat",
        edit=[
            [["process", "user"], user],
            [["process", "cwd"], "/"],
            [["process", "capabilities"], {}],
        ],
        tty=True,
        then=int(signal.SIGTERM),
    )

    assert result.output.startswith("1000\n1001\n1001 5 100\n0027\nCapEff:\t0000000000000000\n")
    assert result.status == 128 + signal.SIGTERM


@every_caller
def test_volumes_belong_to_root_of_the_box(caller: Caller) -> None:
    """A folder can be written, a read-only file cannot, missing targets are made."""
    result = shell(
        caller,
        "stat -c %u /data /data/f /root/a/f; echo new > /data/new; cat /root/a/f; echo > /root/a/f",
        files={"volume/f": "text"},
        volumes=["STATE/volume:/data", "STATE/volume/f:/root/a/f:ro"],
    )

    assert result.output == "0\n0\n0\ntext"
    assert "Read-only file system" in result.errors


@every_caller
def test_host_network_shows_the_hosts_interfaces_and_hides_its_cgroups(caller: Caller) -> None:
    """/sys is then a read-only bind; what is mounted in it is masked."""
    result = shell(
        caller, "readlink /proc/self/ns/net; ls /sys/fs/cgroup; echo > /sys/x", network="host"
    )

    assert result.output == os.readlink("/proc/self/ns/net") + "\n"
    assert result.errors


@every_caller
def test_a_folder_that_the_box_may_not_enter_is_masked_too(caller: Caller) -> None:
    """As /sys/kernel/tracing is: with mode 0700, of an id that the box does not have."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        os.mkdir(f"{folder}/closed", 0o700)
        result = shell(
            caller,
            "ls -A /opt/closed; stat -c %a /opt/closed",
            volumes=[f"{folder}:/opt"],
            edit=[[["linux", "maskedPaths"], ["/opt/closed"]]],
        )

    assert (result.output, result.errors) == ("555\n", "")


@every_caller
def test_orphans_are_reaped_and_all_is_killed_when_the_program_ends(caller: Caller) -> None:
    """A daemon does not outlive the program, nor hold its pipes; zombies do not pile up."""
    script = """
        setsid sh -c 'sleep 1000 & sleep 1000' &
        for i in 1 2 3; do (true &); done
        while ps -e -o stat= | grep -q Z; do :; done
        echo done
    """
    result = shell(caller, script)

    assert (result.status, result.output) == (0, "done\n")


@every_caller
@pytest.mark.parametrize("tty", [True, False])
def test_end_of_the_lifetime_pipe_ends_the_box(caller: Caller, *, tty: bool) -> None:
    """The keeper's death kills everything, also what ignores signals."""
    result = shell(
        caller, "trap '' TERM HUP INT; echo ready; sleep 1000 & wait", then="lifetime", tty=tty
    )

    assert (result.status, result.output) == (137, "ready\n")


@every_caller
@pytest.mark.parametrize("init", [True, False])
def test_box_dies_with_the_process_that_built_it(caller: Caller, *, init: bool) -> None:
    """By the lifetime pipe with an init, by the parent-death signal without one."""
    result = shell(
        caller, "trap '' TERM HUP; echo ready; sleep 1000 & wait", then="orphan", init=init
    )

    assert (result.status, result.output) == (137 if init else -signal.SIGKILL, "ready\n")


@every_caller
@pytest.mark.parametrize("init", [True, False])
def test_box_that_was_never_started_dies_with_its_builder(caller: Caller, *, init: bool) -> None:
    """Nobody waits for a word that cannot come."""
    result = shell(caller, "echo never", then="abandon", init=init)

    # With an init either of the two may see first that nobody is left.
    assert result.status in ((125, 137) if init else (125,))
    assert result.output == ""


@every_caller
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGRTMIN])
def test_init_passes_signals_on(caller: Caller, number: signal.Signals) -> None:
    """The program's end by a signal is 128 and its number."""
    result = shell(caller, "echo ready; exec sleep 1000", then=int(number))

    assert result.status == 128 + number


@every_caller
def test_no_signal_is_too_early_for_init(caller: Caller) -> None:
    """A pid 1 without handlers is sent nothing: the program does not run before there are some."""
    result = shell(caller, "echo ready; exec sleep 1000", then=int(signal.SIGTERM), slow=0.5)

    assert result.status == 128 + signal.SIGTERM


@every_caller
def test_fifty_boxes_leave_nothing(caller: Caller) -> None:
    """No fd, child or mount stays, and each takes little time."""
    result = shell(caller, "exit 3", repeat=50, tty=True)

    assert result.status == 3
