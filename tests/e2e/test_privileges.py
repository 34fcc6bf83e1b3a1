"""What a box may do and see, by ``run``'s options: as it is from inside."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from ptyd_user import Ptyd

AS_ROOT = os.geteuid() == 0


def inside(ptyd: Ptyd, *options: str, script: str) -> str:
    done = ptyd("run", "--rm", *options, "sh", "-c", script)
    assert done.code == 0, done
    return done.out.decode()


def status_of(ptyd: Ptyd, *options: str) -> dict[str, str]:
    text = inside(ptyd, *options, script="cat /proc/self/status")
    return dict(line.split(":\t", 1) for line in text.splitlines())


def refused(ptyd: Ptyd, *options: str) -> str:
    """Run what cannot be; return the one line."""
    done = ptyd("run", *options, "true")
    assert (done.code, done.out, len(done.err.splitlines())) == (125, b"", 1), done
    assert ptyd.left() == []
    return done.err


def test_default_is_filtered_with_no_new_privileges(ptyd: Ptyd) -> None:
    """One filter, at most podman's eleven capabilities, none inheritable or ambient."""
    status = status_of(ptyd)

    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
    for name in ("CapPrm", "CapEff", "CapBnd"):
        assert status[name] == "00000000800405fb"
    assert {status["CapInh"], status["CapAmb"]} == {"0" * 16}


def test_capabilities_are_as_asked(ptyd: Ptyd) -> None:
    """And what the profile says about them: a new mount namespace with CAP_SYS_ADMIN."""
    status = status_of(ptyd, "--cap-drop", "all", "--cap-add", "net_raw")
    done = ptyd("run", "--rm", "--cap-add", "SYS_ADMIN", "unshare", "--mount", "true")

    assert {status[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {"0000000000002000"}
    assert done.code == 0


def test_profile_of_ones_own_is_followed(ptyd: Ptyd, tmp_path: Path) -> None:
    """With its errno; a default that allows."""
    profile = tmp_path / "profile.json"
    call = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [call]}))
    option = ["--security-opt", f"seccomp={profile}"]
    output = inside(ptyd, *option, script="mkdir /tmp/x 2>&1; unshare -Ur id -u")

    assert "No space left on device" in output
    assert output.endswith("\n0\n")


def test_filter_and_no_new_privileges_can_be_left_out(ptyd: Ptyd) -> None:
    """Each by its option; a filter without no_new_privs as well."""
    assert status_of(ptyd, "--security-opt", "seccomp=unconfined")["Seccomp"] == "0"
    status = status_of(ptyd, "--security-opt", "no-new-privileges=false")

    assert (status["NoNewPrivs"], status["Seccomp"]) == ("0", "2")
    assert status["CapEff"] == "00000000800405fb"


def test_privileged_says_what_it_gives_away(ptyd: Ptyd) -> None:
    """In one line, to a person; everything is given but the host."""
    script = (
        "grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/self/status; "
        "mount -t tmpfs x /mnt && echo mounted; grep -q . /proc/keys && echo keys; cat /proc/1/maps"
    )
    with ptyd.terminal("ptyd", "run", "--rm", "--privileged", "sh", "-c", script) as user:
        user.sees("--privileged gives the box all capabilities over its own namespaces")
        user.sees("CapEff:\t000001ffffffffff")
        user.sees("NoNewPrivs:\t0")
        user.sees("Seccomp:\t0")
        user.sees("mounted")
        user.sees("keys")
        user.sees("Permission denied")
        user.finish()
    assert not ptyd("run", "--rm", "--privileged", "true").err


def test_user_is_another(ptyd: Ptyd) -> None:
    """By number and by name, with groups; it has no capability and may use its terminal."""
    script = "id -u; id -g; id -G; pwd; echo $HOME; grep CapEff /proc/self/status; tty >/dev/tty"
    with ptyd.terminal(
        "ptyd", "run", "--rm", "-u", "1000:1001", "--group-add", "users", "sh", "-c", script
    ) as user:
        for line in ("1000", "1001", "1001 100", "/", "/", "CapEff:\t0000000000000000"):
            user.sees(line)
        user.sees("/dev/pts/0")
        assert user.finish() == 0

    assert inside(ptyd, "-u", "daemon", script="id -nu; id -ng; echo $HOME") == (
        "daemon\ndaemon\n/usr/sbin\n"
    )
    assert "nemo is not in /etc/passwd" in refused(ptyd, "-u", "nemo")
    assert "70000 does not exist inside" in refused(ptyd, "-u", "70000")


def test_limits_hold(ptyd: Ptyd) -> None:
    """Files, shared memory, tmpfs; the score of the killer."""
    script = (
        "ulimit -Sn; ulimit -Hn; df --output=size -k /dev/shm /data | tail -2; "
        "cat /proc/self/oom_score_adj"
    )
    output = inside(
        ptyd,
        *("--ulimit", "nofile=100:200", "--shm-size", "2m", "--tmpfs", "/data:size=1m"),
        *("--oom-score-adj", "500"),
        script=script,
    )

    assert output.split() == ["100", "200", "2048", "1024", "500"]
    # No one may have more than fs.nr_open, and few may raise a hard limit at all.
    assert "RLIMIT_NOFILE" in refused(ptyd, "--ulimit", "nofile=5:999999999")


def test_kernel_settings_of_its_namespaces_are_set(ptyd: Ptyd) -> None:
    """Others are refused: those are the host's."""
    options = ["--sysctl", "kernel.shmmax=12345", "--sysctl", "net.ipv4.ip_forward=1"]
    script = "cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_forward"

    assert inside(ptyd, *options, script=script) == "12345\n1\n"
    for foreign in ("kernel.core_pattern=|/x", "vm.swappiness=1", "net/../kernel/modprobe=x"):
        assert "namespace of the box" in refused(ptyd, "--sysctl", foreign)
    assert "namespace of the box" in refused(
        ptyd, "--network", "host", "--sysctl", "net.ipv4.ip_forward=1"
    )


def test_read_only_is_everything(ptyd: Ptyd) -> None:
    """But /dev/shm, and what was asked for."""
    places = "/tmp /root /run /home /var/tmp / /etc /dev/shm /data"
    script = f"for d in {places}; do touch $d/x 2>/dev/null && echo $d; done; true"
    output = inside(ptyd, "--read-only", "--tmpfs", "/data", script=script)

    assert output.split() == ["/dev/shm", "/data"]


def test_mounts_have_dockers_meaning(ptyd: Ptyd, tmp_path: Path) -> None:
    """A bind, memory inside it, a volume that outlives its container."""
    (tmp_path / "file").write_text("text\n")
    mounts = [
        f"type=bind,source={tmp_path},target=/b,readonly",
        "type=tmpfs,target=/tmp,tmpfs-size=1m,tmpfs-mode=0700",
        "type=volume,source=kept,target=/v",
    ]
    options = [word for mount in mounts for word in ("--mount", mount)]
    script = "cat /b/file; touch /b/x; stat -c %a /tmp; ls /v; echo new > /v/file; id > /v/id"
    first = ptyd("run", "--rm", *options, "sh", "-c", script)
    second = inside(ptyd, "--mount", "source=kept,target=/v,ro", script="stat -c %u /v/file; ls /v")

    assert first.out == b"text\n700\n"
    assert "Read-only file system" in first.err
    assert second == "0\nfile\nid\n"


def test_nothing_in_memory_of_tmpfs_is_executed(ptyd: Ptyd) -> None:
    """Unless that is asked for."""
    script = "cp /bin/true /data/true; /data/true && echo ran; true"

    assert inside(ptyd, "--tmpfs", "/data", script=script) == ""
    assert inside(ptyd, "--tmpfs", "/data:exec", script=script) == "ran\n"


def test_device_of_the_host_can_be_used(ptyd: Ptyd) -> None:
    """Under its name or another; other ways to nodes stay closed."""
    script = (
        "head -c4 /dev/noughts | od -An -tx1; stat -c '%F %t:%T' /dev/noughts; "
        "mknod /tmp/zero c 1 5 || echo no node"
    )
    output = inside(ptyd, "--device", "/dev/zero:/dev/noughts", script=script)

    assert output == " 00 00 00 00\ncharacter special file 1:5\nno node\n"


@pytest.mark.parametrize("path", ["/dev/kmsg"] if AS_ROOT else [])
def test_device_of_root_belongs_to_root_of_the_box(ptyd: Ptyd, path: str) -> None:
    """When root gives it away; on the host the node stays as it is."""
    before = os.stat(path)
    assert inside(ptyd, "--device", path, script=f"stat -c '%u %g %a' {path}") == "0 0 660\n"

    assert os.stat(path)[:6] == before[:6]


def test_program_can_be_pid_1(ptyd: Ptyd) -> None:
    """Its status is passed on all the same, and its end is the end."""
    done = ptyd("run", "--rm", "--no-init", "sh", "-c", "echo $$; sleep 1000 & exit 3")

    assert (done.code, done.out) == (3, b"1\n")
    assert inside(ptyd, "--init", script="echo $$") == "2\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--cap-add", "FLY"], "no capability 'FLY'"),
        (["--security-opt", "seccomp=/no/such"], "No such file"),
        (["--ulimit", "nofile=x"], "--ulimit nofile=x"),
        (["--tmpfs", "/proc/x"], "cannot be covered"),
        (["--mount", "type=bind,source=/no/such,target=/x"], "does not exist"),
        (["--device", "/etc/passwd"], "is no device"),
        (["--shm-size", "x"], "a size is"),
        (["--user", "x:y:z"], "user 'x:y:z'"),
    ],
)
def test_bad_option_is_one_line(ptyd: Ptyd, words: list[str], line: str) -> None:
    """Exit status 125, and nothing is left."""
    assert line in refused(ptyd, *words)


def test_a_score_below_ones_own_is_refused_to_who_may_not(theirs: Ptyd) -> None:
    """One line, and not a box that is killed earlier than was asked."""
    done = theirs("run", "--network", "none", "--oom-score-adj", "-500", "true")
    higher = theirs("run", "--rm", "--network", "none", "--oom-score-adj", "7", "true")

    assert (done.code, len(done.err.splitlines())) == (125, 1)
    assert "oom_score_adj: -500, which wants CAP_SYS_RESOURCE" in done.err
    assert higher.code == 0
    assert theirs.left() == []
