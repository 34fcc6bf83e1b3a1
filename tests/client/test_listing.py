"""What ``--format`` makes of rows, and what ``--filter`` lets through."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycli.arguments import Failure, Parser, labels_of, meant
from ptycli.filter import has_label, has_name, parse_filters
from ptycli.listing import Listing
from ptycli.row import human_size
from ptycli.status import ago, status_of

HEADERS = {"ID": "CONTAINER ID", "Names": "NAMES", "Labels": "LABELS"}
ROWS: list[dict[str, Any]] = [
    {"ID": "4c01", "Names": "web", "Labels": "a=b"},
    {"ID": "77aa", "Names": "a_much_longer_name", "Labels": ""},
]


def shown(form: str, capsys: pytest.CaptureFixture[str], rows: Any = ROWS) -> str:
    Listing(form, HEADERS, ("ID", "Names")).show(rows)
    return capsys.readouterr().out


@pytest.mark.parametrize("form", ["", "table"])
def test_the_own_table(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are as wide as they have to be; docker's gap, and no blanks at the end."""
    assert shown(form, capsys) == (
        "CONTAINER ID   NAMES\n4c01           web\n77aa           a_much_longer_name\n"
    )
    assert shown(form, capsys, []) == "CONTAINER ID   NAMES\n"


def test_a_table_of_a_template(capsys: pytest.CaptureFixture[str]) -> None:
    """Tabs part its columns, also as a shell writes them; its heads are the fields'."""
    said = shown(r"table {{upper .Names}}\t{{.ID}}", capsys)

    assert said.splitlines() == [
        "NAMES                CONTAINER ID",
        "WEB                  4c01",
        "A_MUCH_LONGER_NAME   77aa",
    ]
    assert shown("table {{.ID}}", capsys, []) == "CONTAINER ID\n"


def test_json_is_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing when there is none."""
    lines = shown("json", capsys).splitlines()

    assert [json.loads(line) for line in lines] == ROWS
    assert shown("json", capsys, []) == ""


def test_a_template_is_a_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """With docker's two escapes."""
    assert shown(r"{{.ID}}\t{{.Names}}", capsys) == "4c01\tweb\n77aa\ta_much_longer_name\n"


@pytest.mark.parametrize("form", ["{{.Nmaes}}", "table {{.Nmaes}}", "{{", "table {{end}}"])
def test_a_bad_format_is_a_failure(form: str) -> None:
    """Exit code 1, as docker's."""
    with pytest.raises(Failure) as caught:
        Listing(form, HEADERS, ("ID",)).show(ROWS)

    assert caught.value.exit_code == 1


def test_a_table_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a name holds."""
    assert "\x1b" not in shown("table {{.ID}}", capsys, [{**ROWS[0], "ID": "\x1b[2J"}])


def test_filters_are_read() -> None:
    """By key; blanks around them and the case of keys do not matter."""
    found = parse_filters(["name=a", " Name = b", "label=k=v"], ("name", "label"))

    assert found == {"name": ["a", "b"], "label": ["k=v"]}


@pytest.mark.parametrize("text", ["name", "", "=", "nmae=x", "\x1b=x"])
def test_a_bad_filter_is_a_failure(text: str) -> None:
    """Exit code 1, and what there is."""
    with pytest.raises(Failure) as caught:
        parse_filters([text], ("name",))

    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("name", "wanted", "has"),
    [
        ("web_1", "web", True),
        ("web_1", "^web", True),
        ("my_web", "^web", False),
        ("web_1", "web$", False),
        ("web", "^/web$", True),
        ("web", "^web$", True),
        ("web_1", "^web$", False),
        ("web", "", True),
        ("web", "(", False),
    ],
)
def test_names_are_filtered_as_docker_does(name: str, wanted: str, *, has: bool) -> None:
    """Any part of it, or from the start, or to the end."""
    assert has_name(name, wanted) is has


def test_labels_are_filtered_as_docker_does() -> None:
    """By key, or by key and value."""
    labels = labels_of(["a=1", "b", "c=x=y", "a=2"])

    assert labels == {"a": "2", "b": "", "c": "x=y"}
    assert has_label(labels, "b")
    assert has_label(labels, "c=x=y")
    assert not has_label(labels, "a=1")
    assert not has_label(labels, "d")


@pytest.mark.parametrize("text", ["", "=x", "a\udcff"])
def test_a_bad_label_is_a_failure(text: str) -> None:
    """One without a key, or that no JSON can hold."""
    with pytest.raises(Failure):
        labels_of([text])


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "Less than a second"),
        (0, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (5399, "About an hour"),
        (5400, "2 hours"),
        (7200, "2 hours"),
        (47 * 3600, "47 hours"),
        (47 * 3600 + 1800, "2 days"),
        (48 * 3600, "2 days"),
        (14 * 86400 - 1801, "13 days"),
        (14 * 86400, "2 weeks"),
        (60 * 86400, "2 months"),
        (729 * 86400, "24 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_times_are_told_as_docker_does(seconds: int, said: str) -> None:
    """Its rounding, too: of hours, and of nothing else."""
    assert ago(time.time() - seconds - 0.5 * (seconds >= 0)) == said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "created"}, "Created"),
        ({"status": "running", "started": 0.0}, "Up "),
        ({"status": "paused", "started": 0.0}, " (Paused)"),
        ({"status": "exited"}, "Exited (unknown)"),
        ({"status": "exited", "exit_status": 0}, "Exited (0)"),
        ({"status": "exited", "exit_status": 137, "finished": 0.0}, "Exited (137) "),
        ({"status": "restarting", "exit_status": 1, "finished": 0.0}, "Restarting (1) "),
        ({"status": "another"}, "Another"),
    ],
)
def test_a_status_is_told_as_docker_does(fields: dict[str, Any], said: str) -> None:
    """Also where fields are missing, as in one half made."""
    assert said in status_of(fields)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (1090, "1.09kB"),
        (999_499, "999kB"),
        (999_950, "1MB"),
        (5e6, "5MB"),
        (2.5e9, "2.5GB"),
        (999.9e9, "1TB"),
        (5e15, "5e+03TB"),
    ],
)
def test_sizes_have_units(size: float, said: str) -> None:
    """Decimal ones, three digits."""
    assert human_size(size) == said


def test_a_mistaken_flag_is_recognized() -> None:
    """One line, with what may have been meant."""
    parser = Parser("ps", "", "")
    parser.add_argument("--no-trunc", action="store_true")
    with pytest.raises(Failure, match=r"--notrunc, did you mean --no-trunc\?") as caught:
        parser.parse_args(["--notrunc"])

    assert caught.value.exit_code == 125
    with pytest.raises(Failure, match="arguments: --xyz; see"):
        parser.parse_args(["--xyz"])


@given(st.text(), st.lists(st.text(min_size=1), max_size=10))
def test_what_was_meant_is_something_that_there_is(word: str, known: list[str]) -> None:
    """Or nothing is said; the word itself is found."""
    said = meant(word, known)

    assert said == "" or said.removeprefix(", did you mean ").removesuffix("?") in known
    assert not known or meant(known[0], known)
