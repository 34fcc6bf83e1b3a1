"""top, stats, port, version and info: what they say, and of whom they say nothing."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ptycli.population import population, take_sample

if TYPE_CHECKING:
    from ptyd_user import Ptyd

VERBS = (["top", "it"], ["stats", "--no-stream", "it"], ["port", "it"])


def test_top_shows_who_is_inside(anybody: Ptyd) -> None:
    """By this host's pids, with exec's programs, and with ps's own options."""
    container = anybody.start("--name", "it", "sleep", "77001")
    anybody("exec", "-d", "it", "sleep", "77002")
    shown = anybody("top", "it")
    chosen = anybody("top", "it", "-o", "pid,args")

    assert shown.code == 0, shown.err
    assert shown.out.decode().splitlines()[0].split()[:3] == ["UID", "PID", "PPID"]
    assert "sleep 77001" in shown.out.decode()
    assert "sleep 77002" in shown.out.decode()
    assert str(os.getpid()) not in shown.out.decode().split()
    pids = [line.split()[0] for line in chosen.out.decode().splitlines()]
    assert pids[0] == "PID"
    assert str(container.pid) in pids
    for pid in pids[1:]:
        assert Path(f"/proc/{pid}/comm").read_text() in ("sleep\n", "ptyd-init\n")


def test_top_tells_what_ps_complains_of(ptyd: Ptyd) -> None:
    """In one line, 1."""
    ptyd.start("--name", "it", "sleep", "1000")
    for words, about in ((["-Q"], "ps -Q: "), (["-o", "args"], "no column PID")):
        done = ptyd("top", "it", *words)
        assert (done.code, len(done.err.splitlines())) == (1, 1)
        assert about in done.err
    done = ptyd("top", "it", PATH=str(Path(ptyd.command("ptyd")[0]).parent))
    assert (done.code, done.err) == (1, "ptyd top: ps is not installed\n")


def test_stats_once(anybody: Ptyd) -> None:
    """Of those that run, or are named; docker's fields and units."""
    busy = anybody.start("--name", "busy", "sh", "-c", "while :; do :; done")
    anybody("run", "--name", "ended", "true")
    rows = [
        json.loads(line)
        for line in anybody("stats", "--no-stream", "--format", "json", "-a").out.splitlines()
    ]
    table = anybody("stats", "--no-stream").out.decode().splitlines()
    by_name = {row["Name"]: row for row in rows}

    assert by_name.keys() == {"busy", "ended"}
    assert float(by_name["busy"]["CPUPerc"].removesuffix("%")) > 0
    assert int(by_name["busy"]["PIDs"]) >= 1
    used, limit = by_name["busy"]["MemUsage"].split(" / ")
    assert used.endswith(("KiB", "MiB"))
    assert limit.endswith("GiB")
    assert by_name["busy"]["NetIO"].endswith("B")
    assert by_name["ended"]["CPUPerc"] == "0.00%"
    assert table[0].startswith("CONTAINER ID   NAME      CPU %")
    assert [line.split()[0] for line in table[1:]] == [busy.id[:12]]


def test_stats_go_on_until_nobody_is_left(ptyd: Ptyd) -> None:
    """A row a second for a script, until those that it named are removed."""
    ptyd.start("--name", "it", "sleep", "1000")
    with ptyd.background("ptyd", "stats", "--format", "{{.Name}}", "it") as stats:
        assert stats.stdout is not None
        first, second = stats.stdout.readline(), stats.stdout.readline()
        assert ptyd("rm", "-f", "it").code == 0
        code = stats.wait(40)

    assert (first, second, code) == (b"it\n", b"it\n", 0)


def test_without_a_cgroup_proc_is_asked(ptyd: Ptyd) -> None:
    """Its processes, memory and time are found as well, those of exec included."""
    container = ptyd.start("--name", "it", "sh", "-c", "sleep 1000 & wait")
    ptyd("exec", "-d", "it", "sleep", "1000")
    fields = container.state()
    by_cgroup = population(fields)
    without = {**fields, "cgroup": None}
    sample = take_sample(without, own_network=True)

    assert population(without) == by_cgroup
    assert len(by_cgroup) == 4
    assert sample.pids == 4
    assert sample.memory is not None
    assert sample.memory > 100_000
    assert sample.cpu is not None
    assert sample.memory_limit is None
    assert sample.network == (0, 0)


def test_port_tells_where_ports_lead(ptyd: Ptyd) -> None:
    """All of them, or one; 1 for one that leads nowhere."""
    container = ptyd.start("--name", "it", "-p", "0:80", "-p", "0:53/udp", "sleep", "1000")
    ports = container.described["NetworkSettings"]["Ports"]
    web, names = (ports[each][0]["HostPort"] for each in ("80/tcp", "53/udp"))
    lines = f"53/udp -> 127.0.0.1:{names}\n80/tcp -> 127.0.0.1:{web}\n"

    assert ptyd("port", "it") == (0, lines.encode(), "")
    assert ptyd("port", "it", "80").out.decode() == f"127.0.0.1:{web}\n"
    assert ptyd("port", "it", "53/udp").out.decode() == f"127.0.0.1:{names}\n"
    for bad in ("81", "53", "80/udp", "x", "80/sctp", "", "999999", "-1"):
        done = ptyd("port", "it", "--", bad)
        assert (done.code, len(done.err.splitlines())) == (1, 1), done


@pytest.mark.parametrize("verb", VERBS, ids=["top", "stats", "port"])
def test_of_one_that_is_not_there(ptyd: Ptyd, verb: list[str]) -> None:
    """Removed, ended, half made: one line or an empty answer, never a wait."""
    removed = ptyd(*verb)
    ptyd("run", "--name", "it", "true")
    ended = ptyd(*verb)
    ptyd("rm", "it")
    Path(ptyd.root, "containers", "e" * 64).mkdir()
    half = ptyd(*verb[:-1], "e")

    assert (removed.code, removed.err) == (1, f"ptyd {verb[0]}: no such container: it\n")
    for done in (ended, half):
        assert done.code == (1 if verb[0] == "top" else 0)
        assert len(done.err.splitlines()) == done.code
    assert ptyd("rm", "e").code == 0


def test_version_and_info_have_templates(ptyd: Ptyd) -> None:
    """Docker's fields: versions, counts, the host."""
    ptyd.start("sleep", "1000")
    ptyd("run", "true")
    info: dict[str, Any] = json.loads(ptyd("info", "--format", "json").out)
    plain = ptyd("version").out.decode().split()
    version = ptyd("version", "--format", "{{.Client.Version}} {{.Server.Version}}").out.decode()

    assert (info["Containers"], info["ContainersRunning"], info["ContainersStopped"]) == (2, 1, 1)
    assert info["DockerRootDir"] == ptyd.root
    assert info["KernelVersion"] == os.uname().release
    assert info["NCPU"] == int(subprocess.check_output(["nproc"]))
    assert version.split() == [plain[1]] * 2
    assert ptyd("--version").out.decode().split() == plain[:2]
    assert "Containers: 2\n" in ptyd("info").out.decode()
    for verb in ("version", "info"):
        done = ptyd(verb, "--format", "{{.Clinet}}")
        assert (done.code, len(done.err.splitlines())) == (1, 1)
