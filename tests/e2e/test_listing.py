"""``ptyd ps`` and ``ptyd inspect`` as docker documents them, without anybody being asked."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from small_root import make_root

if TYPE_CHECKING:
    from ptyd_user import Container, Done, Ptyd


def names(done: Done) -> list[str]:
    assert done.code == 0, done.err
    return done.out.decode().split()


def rows(ptyd: Ptyd, *words: str) -> list[dict[str, Any]]:
    done = ptyd("ps", "--format", "json", *words)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.fixture
def three(ptyd: Ptyd) -> list[Container]:
    """One that ended with 3, then two that run, the last with labels and a port."""
    ptyd("run", "--name", "old", "--label", "tier=back", "sh", "-c", "exit 3")
    web = ptyd.start("--name", "web", "-l", "tier=front", "-l", "x", "sleep", "1000")
    published = ("-p", "127.0.0.1:0:80", "--name", "web-2")
    return [ptyd.container("old"), web, ptyd.start(*published, "sleep", "2000")]


def test_ps_filters_as_docker_does(ptyd: Ptyd, three: list[Container]) -> None:
    """By everything that docker's users filter by; newest first."""
    old, web, second = three
    port = second.described["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]

    def found(*words: str) -> list[str]:
        flags = [word for each in words for word in ("--filter", each)]
        return names(ptyd("ps", "--format", "{{.Names}}", *flags))

    assert names(ptyd("ps", "-a", "--format", "{{.Names}}")) == ["web-2", "web", "old"]
    assert found() == ["web-2", "web"]
    assert found("name=^web$") == ["web"]
    assert found("name=2", "name=web") == ["web-2", "web"]
    assert found(f"id={web.id[:9]}") == ["web"]
    assert found("label=tier=front", "label=x") == ["web"]
    assert found("label=tier=front", "label=y") == []
    assert found("status=exited") == ["old"]
    assert found("status=exited", "status=running") == ["web-2", "web", "old"]
    assert found("exited=3") == ["old"]
    assert found("exited=0") == []
    assert found("ancestor=host", "health=none") == ["web-2", "web"]
    assert found("since=web") == ["web-2"]
    assert found(f"before={second.id[:10]}", "status=exited") == ["old"]
    assert found(f"publish={port}/tcp") == ["web-2"]
    assert names(ptyd("ps", "-lq", "--no-trunc")) == [second.id]
    assert names(ptyd("ps", "-n", "2", "-q")) == [second.id[:12], web.id[:12]]
    assert names(ptyd("ps", "-aq", "-f", "name=old", "--no-trunc")) == [old.id]


def test_ps_says_what_docker_says(ptyd: Ptyd, three: list[Container]) -> None:
    """In docker's fields; every one of them is there."""
    old, web, second = rows(ptyd, "-a")[::-1]
    port = three[2].described["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]

    assert old["State"] == "exited"
    assert old["Status"].startswith("Exited (3) ")
    assert (web["Command"], web["Image"], web["Labels"]) == (
        '"sleep 1000"',
        "host",
        "tier=front,x=",
    )
    assert web["Status"].startswith("Up ")
    assert web["Ports"] == f"127.0.0.1:{three[1].port()}"
    assert second["Ports"].endswith(f", 127.0.0.1:{port}->80/tcp")
    labelled = ptyd("ps", "--format", r'table {{.Names}}\t{{.Label "tier"}}', "-f", "name=^web$")
    assert labelled.out.decode().splitlines() == ["NAMES     TIER", "web       front"]


def test_ps_waits_for_nobody(ptyd: Ptyd) -> None:
    """A server and a keeper that hang are listed like others."""
    container = ptyd.start("--name", "hung", "sleep", "1000")
    stopped = (container.server_pid(), container.keeper_pid)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        listed = names(ptyd("ps", "--format", "{{.Names}} {{.State}}"))
        looked = ptyd("inspect", "-f", "{{.State.Running}}", "hung").out
        took = time.monotonic() - began
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)

    assert (listed, looked) == (["hung", "running"], b"true\n")
    assert took < 10


def test_ps_lists_what_is_broken(ptyd: Ptyd) -> None:
    """Half-made containers, files that say nothing, a keeper that was killed."""
    ptyd("run", "--rm", "true")
    folders = [Path(ptyd.root, "containers", letter * 64) for letter in "abc"]
    for folder in folders:
        folder.mkdir()
    (folders[1] / "config.json").write_text("{")
    (folders[1] / "state.json").write_text('{"status": "runn')
    (folders[2] / "config.json").write_text("[]")
    listed = rows(ptyd, "-a")
    looked = ptyd("inspect", "a", "b", "c")

    assert {row["ID"] for row in listed} == {folder.name[:12] for folder in folders}
    assert {row["State"] for row in listed} <= {"created", "exited"}
    assert (looked.code, looked.out) == (1, b"[]\n")
    assert len(looked.err.splitlines()) == 3
    assert "half made" in looked.err
    assert ptyd("rm", *(folder.name for folder in folders)).code == 0


@pytest.mark.parametrize(
    ("words", "code", "about"),
    [
        (["ps", "--format", "{{.Nmaes}}"], 1, "did you mean .Names?"),
        (["ps", "--format", "{{.Names"], 1, "{{ without }}"),
        (["ps", "--filter", "nmae=x"], 1, "nmae"),
        (["ps", "--filter", "name"], 1, "KEY=VALUE"),
        (["ps", "--filter", "status=fine"], 1, "created, restarting, running"),
        (["ps", "--filter", "exited=x"], 1, "number"),
        (["ps", "--filter", "since=nobody"], 1, "no such container: nobody"),
        (["ps", "--last", "x"], 125, "--last"),
        (["ps", "--foramt", "json"], 125, "did you mean --format?"),
        (["ps", "x"], 1, "unrecognized arguments: x"),
        (["inspect", "alvie"], 1, "did you mean alive?"),
        (["inspect", "--format", "{{.State.Statsu}}", "alive"], 1, "did you mean .Status?"),
        (["inspect", "--type", "network", "alive"], 125, "--type"),
        (["inspect", ""], 1, "no such container"),
        (["inspect", "../alive"], 1, "no such container"),
        (["inspect", "a\x1b[31m\nb"], 1, "no such container"),
        (["inspect"], 1, "NAME"),
    ],
    ids=range(17),
)
def test_a_mistake_is_one_line(ptyd: Ptyd, words: list[str], code: int, about: str) -> None:
    """With a defined exit code, on stderr, and what was meant."""
    ptyd.start("--name", "alive", "sleep", "1000")
    done = ptyd(*words)

    assert (done.code, len(done.err.splitlines())) == (code, 1), done
    assert about in done.err
    assert "\x1b" not in done.err


def test_an_ambiguous_prefix_is_one_line(ptyd: Ptyd) -> None:
    """For each verb that takes a name."""
    ptyd("run", "--rm", "true")
    for letter in "12":
        Path(ptyd.root, "containers", f"abc{letter * 61}").mkdir()

    for verb in ("inspect", "logs", "stop", "kill", "wait", "attach", "rm"):
        done = ptyd(verb, "abc")
        assert done.code == 1, done
        assert done.err == f"ptyd {verb}: abc is a prefix of 2 containers: give more digits\n"
    assert ptyd("rm", "abc1", "abc2").code == 0


def test_inspect_has_dockers_fields(ptyd: Ptyd, three: list[Container]) -> None:
    """Those that scripts ask for, each by a template of docker's documentation."""

    def said(template: str, *names: str) -> list[str]:
        done = ptyd("inspect", "--format", template, *names)
        assert done.code == 0, done.err
        return done.out.decode().splitlines()

    port = three[2].described["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
    assert said("{{.State.Status}} {{.State.ExitCode}}", "old", "web") == [
        "exited 3",
        "running <no value>",
    ]
    assert said("{{.State.Running}}{{.State.Paused}}{{.State.Restarting}}", "web") == [
        "truefalsefalse"
    ]
    assert said("{{.Id}}", three[1].id[:8]) == [three[1].id]
    assert said("{{json .Config.Labels}}", "old", "web-2") == ['{"tier":"back"}', "{}"]
    assert said('{{index .Config.Labels "tier"}}', "web") == ["front"]
    assert said("{{.Config.Cmd}} {{.Path}} {{.Args}}", "web") == ["[sleep 1000] sleep [1000]"]
    template = "{{range $p, $conf := .NetworkSettings.Ports}}{{$p}} -> {{(index $conf 0).HostPort}}"
    assert said(template + "{{end}}", "web-2") == [f"80/tcp -> {port}"]
    template = '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}'
    assert said(template, "web-2") == [port]
    assert said("{{len .State.StartedAt}}", "web") != ["0"]
    one, two = [json.loads(line) for line in said("json", "web", "old")]
    assert (one["Name"], two["Name"]) == ("web", "old")
    assert json.loads(ptyd("inspect", "-s", "web").out)[0]["SizeRw"] == 0
    assert one["HostConfig"]["NetworkMode"] in ("private", "none")


def test_inspect_shows_those_that_are_there(ptyd: Ptyd) -> None:
    """Beside a line for each that is not, and the code for that."""
    ptyd.start("--name", "it", "sleep", "1000")
    done = ptyd("inspect", "nobody", "it", "nowhere")

    assert done.code != 0
    assert [each["Name"] for each in json.loads(done.out)] == ["it"]
    assert [line.split()[-1] for line in done.err.splitlines()] == ["nobody", "nowhere"]


def test_a_template_drives_no_terminal(ptyd: Ptyd) -> None:
    """Labels and variables are anybody's; a program is given them as they are."""
    word = "a\x1b[31m\x9b32m\tb"
    ptyd.start("--name", "it", "--label", f"k={word}", "-e", f"K={word}", "sleep", "1000")
    shown = "a?[31m?32m"
    for words in (
        ("ps", "--format", "<{{.Labels}}>"),
        ("inspect", "-f", "<{{.Config.Labels}} {{.Config.Env}}>", "it"),
    ):
        with ptyd.terminal("ptyd", *words) as user:
            assert user.finish() == 0
            assert shown.encode() in user.rest
            assert not {0x1B, 0x9B} & {*user.rest}

        assert word.encode() in ptyd(*words).out


def test_the_size_of_what_was_written(ptyd: Ptyd, tmp_path: Path) -> None:
    """Of what the box wrote on its root, not of what it was given."""
    root = make_root(tmp_path / "small")
    given = sum((root / "etc" / name).stat().st_size for name in ("passwd", "group"))
    script = "cat /etc/passwd /etc/group >/copy; echo written; cat"
    container = ptyd.start("--rootfs", str(root), "sh", "-c", script)
    with container.attach() as client:
        client.read_until("written")

    (row,) = rows(ptyd, "-s")
    assert row["Size"] == f"{given}B"


def test_a_root_of_somebody_else(ptyd: Ptyd, theirs: Ptyd) -> None:
    """Who may not look is told so, in one line."""
    ptyd.start("sleep", "1000")
    for words in (["ps"], ["ps", "-a"], ["inspect", "x"]):
        done = theirs(*words, PTYD_ROOT=ptyd.root)
        assert done.code in (1, 125)
        assert len(done.err.splitlines()) == 1, done.err
        assert "Permission denied" in done.err


def test_docker_groups_them(ptyd: Ptyd) -> None:
    """``ptyd container ls`` and the like are the verbs themselves, their exit codes, too."""
    made = ptyd("container", "create", "--name", "it", "cat").out.decode().strip()
    ran = ptyd("container", "run", "--rm", "sh", "-c", "exit 7")
    gone = ptyd("container", "logs", "nobody")
    mistaken = ptyd("container", "lss")

    assert ptyd("container", "ls", "-aq").out.decode() == f"{made[:12]}\n"
    assert ran.code == 7
    assert (gone.code, gone.err) == (1, "ptyd logs: no such container: nobody\n")
    assert (mistaken.code, "did you mean ls?" in mistaken.err) == (1, True)
    assert ptyd("container", "--help").out.startswith(b"usage: ptyd container VERB")
    assert ptyd("completion", "--words", "--", "container", "unp").out == b"unpause\n"
    assert ptyd("completion", "--words", "--", "container", "rm", "i").out == b"it\n"
    assert ptyd("container", "remove", "it") == (0, b"it\n", "")
