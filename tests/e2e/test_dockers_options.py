"""Options of docker's about a box's surroundings and papers, and those that are not here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from ptyd_user import Ptyd


def test_names_and_servers(ptyd: Ptyd) -> None:
    """As asked for in /etc/hosts and /etc/resolv.conf; -h is the host's name."""
    words = ["--add-host", "db:10.1.1.1", "--dns", "9.9.9.9", "--dns-search", "a.example"]
    script = "hostname; cat /etc/resolv.conf; grep db /etc/hosts"
    done = ptyd("run", "--rm", "-h", "box", *words, "sh", "-c", script)

    assert done == (0, b"box\nnameserver 9.9.9.9\nsearch a.example\n10.1.1.1\tdb\n", "")


def test_a_file_names_the_container(ptyd: Ptyd, tmp_path: Path) -> None:
    """From its start on; it is never another's, and gone if nothing came of it."""
    path = tmp_path / "cid"
    identity = ptyd("create", "--cidfile", str(path), "cat").out.decode().strip()
    again = ptyd("run", "--cidfile", str(path), "true")
    failed = ptyd("run", "--cidfile", f"{path}2", "no-such-program")
    nowhere = ptyd("run", "--cidfile", f"{path}/x", "true")
    detached = ptyd("run", "-d", "--cidfile", f"{path}3", "cat").out.decode().strip()

    assert path.read_text() == identity
    assert (again.code, nowhere.code, failed.code) == (125, 125, 127)
    assert [each.err.count("\n") for each in (again, nowhere, failed)] == [1, 1, 1]
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_file()) == ["cid", "cid3"]
    assert (tmp_path / "cid3").read_text() == detached


def test_labels_of_a_file_and_annotations(ptyd: Ptyd, tmp_path: Path) -> None:
    """A line each; what the command line says counts more."""
    file = tmp_path / "labels"
    file.write_text("# those\na=1\nb=2\n")
    words = ["--label-file", str(file), "-l", "b=3", "--annotation", "run.oci=x"]
    ptyd("create", "--name", "it", *words, "cat")
    described = ptyd.inspect("it")
    with open(described["Paths"]["Config"], encoding="utf-8") as config:
        annotations = json.load(config)["annotations"]

    assert described["Config"]["Labels"] == {"a": "1", "b": "3"}
    assert annotations["run.oci"] == "x"


def test_limits_are_dockers(ptyd: Ptyd) -> None:
    """They are told of by ``inspect``, under docker's names."""
    words = ["--cpu-shares", "512", "--memory-reservation", "32m", "--cpu-quota", "50000"]
    it = ptyd.start(*words, "sleep", "1000")
    told = it.described["HostConfig"]

    assert (told["CpuShares"], told["MemoryReservation"]) == (512, 32 << 20)
    assert told["NanoCpus"] == 500_000_000


def test_what_is_the_case_anyway_is_taken(ptyd: Ptyd) -> None:
    """Scripts of docker's say it."""
    words = ["-q", "--pull", "never", "--ipc", "private", "--cgroupns=private", "--no-healthcheck"]
    done = ptyd("run", "--rm", *words, "--network", "bridge", "--platform", "linux", "echo", "x")

    assert done == (0, b"x\n", "")


@pytest.mark.parametrize(
    ("words", "about"),
    [
        (["--health-cmd", "true"], "--health-cmd: there are no health checks"),
        (["--gpus", "all"], "--device"),
        (["--ipc", "host"], "only private"),
        (["--pull", "always"], "--pull"),
        (["--platform", "linux/s390x"], "this host is"),
        (["-a", "stdout"], "all three are attached"),
        (["--volumes-from", "x"], "-v NAME:DIR"),
        (["--oom-kill-disable"], "--oom-score-adj"),
        (["--annotation", "org.ptyd.init=0"], "ptyd's own"),
        (["--label-file", "/no/such"], "/no/such: No such file"),
        (["--add-host", "db:here"], "NAME:ADDRESS"),
        (["--add-host", "db:host-gateway"], "--allow-host"),
        (["--dns", "here"], "it is an address"),
    ],
    ids=range(13),
)
def test_what_is_not_here_is_refused_by_name(ptyd: Ptyd, words: list[str], about: str) -> None:
    """One line that says what is there instead, 125, and nothing is made."""
    done = ptyd("run", "--rm", *words, "true")

    assert (done.code, done.out, done.err.count("\n")) == (125, b"", 1)
    assert about in done.err
    assert ptyd.left() == []
