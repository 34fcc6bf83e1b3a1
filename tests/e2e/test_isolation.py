"""The box from inside: own processes, no host secrets, no network, few privileges."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ptyd_user import Ptyd


def inside(ptyd: Ptyd, script: str, *options: str, **env: str) -> str:
    done = ptyd("run", "--rm", *options, "sh", "-c", script, **env)
    assert done.code == 0, done
    return done.out.decode()


def test_only_its_own_processes_are_there(ptyd: Ptyd) -> None:
    """init is 1, the program comes next; the host's are not even numbers."""
    pids = inside(ptyd, "for d in /proc/[0-9]*; do echo ${d#/proc/} $(cat $d/comm); done")
    found = dict(line.split(maxsplit=1) for line in pids.splitlines())

    assert found["1"] == "ptyd-init"
    assert set(found.values()) <= {"ptyd-init", "sh", "cat"}


def test_init_shows_nothing_of_the_keeper(ptyd: Ptyd) -> None:
    """Neither environment nor descriptors nor memory of pid 1 can be read."""
    script = "for f in environ fd/0 mem maps exe; do head -c1 /proc/1/$f 2>&1 || true; done"
    output = inside(ptyd, script + "; ls /proc/1/fd 2>&1 || true", SECRET="canary")

    assert output.count("Permission denied") >= 5
    assert "canary" not in output


def test_the_hosts_files_are_not_there(ptyd: Ptyd, tmp_path: Path) -> None:
    """No secrets, no sockets, no home folders, nothing of this test's."""
    (tmp_path / "secret").write_text("canary")
    hidden = [
        "/etc/shadow",
        "/etc/ssh",
        "/var/run/docker.sock",
        "/run/systemd",
        "/boot",
        "/lost+found",
    ]
    hidden += [str(tmp_path / "secret"), ptyd.root, "/proc/1/root/etc"]
    script = "for f in " + " ".join(hidden) + "; do cat $f/. $f 2>/dev/null && echo found $f; done"
    output = inside(ptyd, f"{script}; ls -A /root /home /tmp /run; cat /etc/passwd")

    assert "found" not in output
    assert "canary" not in output
    assert "root:x:0:0" in output
    accounts = {entry.pw_name for entry in pwd.getpwall()} - {"root", "daemon", "nobody"}
    for name in accounts:
        assert f"\n{name}:" not in output


def test_the_hosts_environment_is_not_there(ptyd: Ptyd) -> None:
    """Not the caller's, not the keeper's."""
    output = inside(
        ptyd, "cat /proc/self/environ /proc/*/environ 2>/dev/null; env", SECRET="canary"
    )

    assert "canary" not in output
    assert "PTYD" not in output


def test_descriptors_are_only_the_three(ptyd: Ptyd) -> None:
    """Nothing leaks into the program."""
    for mode in ("--tty", "--no-tty"):
        assert inside(ptyd, "ls /proc/$$/fd", mode).split() == ["0", "1", "2"]


def test_network_none_has_no_network(ptyd: Ptyd) -> None:
    """Only a loopback of its own, on which the host's ports are not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect = f"exec 3<>/dev/tcp/127.0.0.1/{port}"
        script = f"({connect}) && echo reached; cat /proc/net/dev"
        done = ptyd("run", "--rm", "--network", "none", "bash", "-c", script)

    assert b"reached" not in done.out
    assert [line.split(b":")[0].strip() for line in done.out.splitlines()[2:]] == [b"lo"]


def test_privileges_are_few_and_cannot_grow(ptyd: Ptyd) -> None:
    """The short list in a user namespace, nothing inheritable or ambient, no_new_privs."""
    output = inside(ptyd, "cat /proc/self/status /proc/self/uid_map")
    status = dict(line.split(":\t") for line in output.splitlines() if ":\t" in line)
    uid_map = output.splitlines()[-1].split()

    assert status["NoNewPrivs"] == "1"
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
    # In linux/capability.h: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap,
    # then net_bind_service, sys_chroot and setfcap.
    allowed = sum(1 << number for number in (0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31))
    for name in ("CapPrm", "CapEff", "CapBnd"):
        assert int(status[name], 16) & ~allowed == 0
    assert uid_map[1] != "0"


def test_every_namespace_is_its_own(ptyd: Ptyd) -> None:
    """user mnt pid net ipc uts cgroup; with --network host all but that."""
    script = "for n in user mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$n; done"
    ours = {
        os.readlink(f"/proc/self/ns/{n}")
        for n in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"]
    }

    assert not ours & set(inside(ptyd, script).split())
    shared = ours & set(inside(ptyd, script, "--network", "host").split())
    assert shared == {os.readlink("/proc/self/ns/net")}


def test_the_system_cannot_be_written(ptyd: Ptyd) -> None:
    """/usr, /etc, / and the kernel's files are read-only; /tmp and home are the box's own."""
    places = ["/usr/x", "/etc/x", "/x", "/proc/sys/kernel/hostname", "/sys/x", "/bin/x"]
    script = (
        "for f in " + " ".join(places) + "; do (echo x > $f) 2>/dev/null && echo wrote $f; done"
    )
    output = inside(
        ptyd, f"{script}; echo x > /tmp/of-a-ptyd-test; echo x > ~/x; echo x > /dev/null; echo fine"
    )

    assert output == "fine\n"
    assert not Path("/usr/x").exists()
    assert not Path("/tmp/of-a-ptyd-test").exists()


def test_mounting_is_not_possible(ptyd: Ptyd) -> None:
    """Nor a device, nor entering a namespace of more privilege's."""
    script = (
        "mount -t tmpfs x /tmp && echo mounted; mount -o remount,rw /usr && echo remounted;"
        "umount /proc && echo unmounted; mknod /tmp/d b 8 0 && echo made; exit 0"
    )
    done = ptyd("run", "--rm", "sh", "-c", script)

    assert (done.code, done.out) == (0, b"")


def test_a_set_user_id_program_gains_nothing(ptyd: Ptyd) -> None:
    """nosuid and no_new_privs."""
    output = inside(ptyd, "grep ' /usr ' /proc/self/mountinfo")

    assert "nosuid" in output
    assert " ro," in output


def test_two_containers_do_not_see_each_other(ptyd: Ptyd) -> None:
    """Neither processes, files nor ids (as root each has a range of its own)."""
    first = ptyd.start("sh", "-c", "echo mine > /tmp/mine; echo up; cat")
    with first.attach() as client:
        client.read_until("up")
        output = inside(ptyd, "ls /tmp; ls -d /proc/[0-9]*; cat /proc/self/uid_map")
        with open(f"/proc/{first.pid}/uid_map", encoding="ascii") as file:
            theirs = file.read().split()

    assert "mine" not in output
    assert os.geteuid() != 0 or output.split()[-2] != theirs[1]
