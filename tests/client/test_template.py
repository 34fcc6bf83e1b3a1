"""Templates of ``--format``: what docker's users write, what is a mistake, what an attack."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptycli.template.evaluation import Template
from ptycli.template.fault import Fault
from ptycli.template.value import Map, Method

LARGEST = 64 << 10
DATA: dict[str, Any] = {
    "Id": "4c01db0b339c",
    "Name": "web",
    "Count": 3,
    "Rate": 1.5,
    "None": None,
    "Empty": [],
    "State": {"Status": "running", "Running": True, "Pid": 4711},
    "Config": {
        "Env": ["PATH=/bin", "LANG=C"],
        "Labels": Map({"com.example.tier": "front", "a": "b"}),
    },
    "Mounts": [
        {"Source": "/a", "Destination": "/b", "RW": True},
        {"Source": "/c", "Destination": "/d", "RW": False},
    ],
    "Ports": Map(
        {
            "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
            "53/udp": [{"HostIp": "::1", "HostPort": "5353"}],
        }
    ),
    "Label": Method(lambda key: key.upper()),
}


def render(template: str, data: Any = DATA) -> str:
    return Template(template).render(data)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("", ""),
        ("plain { text }", "plain { text }"),
        ("{{.Name}}", "web"),
        ("{{ .State.Status }}/{{.State.Pid}}", "running/4711"),
        ("{{.State.Running}}", "true"),
        ("{{.Config.Env}}", "[PATH=/bin LANG=C]"),
        ("{{.Config.Labels}}", "map[a:b com.example.tier:front]"),
        ("{{.None}}", "<no value>"),
        ("{{.Config.Labels.nobody}}", "<no value>"),
        ("{{println .None}}", "<nil>\n"),
        ('{{index .Config.Labels "com.example.tier"}}', "front"),
        ('{{index .Config.Labels "nobody"}}', ""),
        ("{{index .Config.Env 1}}", "LANG=C"),
        ('{{(index (index .Ports "80/tcp") 0).HostPort}}', "8080"),
        ('{{.Label "key"}}', "KEY"),
        ('{{"key" | .Label}}', "KEY"),
        ("{{json .State}}", '{"Status":"running","Running":true,"Pid":4711}'),
        ("{{.Config.Env | json}}", '["PATH=/bin","LANG=C"]'),
        ('{{json "<é>"}}', '"<é>"'),
        ("{{range .Mounts}}{{.Source}}:{{.Destination}} {{end}}", "/a:/b /c:/d "),
        ("{{range $i, $m := .Mounts}}{{$i}}={{$m.Source}};{{end}}", "0=/a;1=/c;"),
        ("{{range $m := .Mounts}}{{$m.Source}}{{$.Name}}{{end}}", "/aweb/cweb"),
        (
            "{{range $p, $c := .Ports}}{{$p}} -> {{(index $c 0).HostPort}}\n{{end}}",
            "53/udp -> 5353\n80/tcp -> 8080\n",
        ),
        ("{{range .Empty}}x{{else}}none{{end}}", "none"),
        ("{{range .Mounts}}{{if .RW}}{{continue}}{{end}}{{.Source}}{{end}}", "/c"),
        ("{{range .Mounts}}{{.Source}}{{break}}{{end}}", "/a"),
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ('{{if eq .Name "db"}}1{{else if eq .Name "web"}}2{{else}}3{{end}}', "2"),
        ("{{if and .Name (not .Empty) (gt .Count 2)}}yes{{end}}", "yes"),
        ("{{or .Empty .None .Name}}", "web"),
        ("{{with .State}}{{.Pid}}{{end}}{{with .None}}x{{else}}y{{end}}", "4711y"),
        ("{{len .Mounts}} {{len .Name}} {{len .Ports}}", "2 3 2"),
        ('{{join .Config.Env ", "}}', "PATH=/bin, LANG=C"),
        ('{{index (split .Id "b") 1}}', "0"),
        ("{{upper .Name}} {{lower .Name}} {{title .Name}}", "WEB web Web"),
        ("{{.Name | upper | printf `%s-%d` | len}}", "16"),
        ('{{printf "%-6s|%6s|%q" .Name .Name .Name}}', 'web   |   web|"web"'),
        ('{{printf "%03d|%.1f|%t|%%|%v" 7 .Rate true .None}}', "007|1.5|true|%|<nil>"),
        ('{{print .Name 1 2 "x"}}', "web1 2x"),
        ("{{println .Name .Count}}", "web 3\n"),
        ("{{truncate .Id 4}}{{pad .Name 1 2}}|", "4c01 web  |"),
        ("{{slice .Id 0 4}}", "4c01"),
        ("{{eq .Count 1 2 3}} {{ne .Count 3}} {{lt 1 2}}", "true false true"),
        ("{{le 2 2}} {{gt 1 2}} {{ge 1 2}}", "true false false"),
        ("a {{- .Name -}} b", "awebb"),
        ("a\n{{- /* nothing */ -}}\n b", "ab"),
        ("{{/* nothing */}}x", "x"),
        ('{{$x := "a"}}{{range .Mounts}}{{$x = print $x "b"}}{{end}}{{$x}}', "abb"),
        (r'{{"a\tb\n\"\x41\u00e9"}}{{`a\t`}}', 'a\tb\n"A\xe9a\\t'),
        ("{{true}} {{1.5}} {{-2}}", "true 1.5 -2"),
        ('{{printf "%x" "a\udcff"}}', "613f"),
        ('{{json "\x9b31m\x7f\udcff\x1b"}}', r'"\u009b31m\u007f\ufffd\u001b"'),
    ],
)
def test_what_is_said(template: str, said: str) -> None:
    """As Go's text/template says it, with docker's functions."""
    assert render(template) == said


@pytest.mark.parametrize(
    ("template", "about"),
    [
        ("{{", "{{ without }}"),
        ("{{.Name", "{{ without }}"),
        ("{{}}", "a value is missing"),
        ("{{/* open", "comment"),
        ("{{.Name}}{{end}}", "without a block"),
        ("{{if .Name}}", "{{if}} without {{end}}"),
        ("{{range .Mounts}}{{else}}{{else}}{{end}}", "{{range}} without {{end}}"),
        ("{{.Nmae}}", "did you mean .Name?"),
        ("{{.State.Foo}}", "no field '.Foo'"),
        ("{{.Name.Foo}}", "in a text"),
        ("{{.None.Foo}}", "in a nil"),
        ("{{uper .Name}}", "did you mean upper?"),
        ("{{upper}}", "does not take 0"),
        ("{{upper .Count}}", "wants a text"),
        ("{{.Name 1}}", "takes no arguments"),
        ("{{1 2}}", "a constant takes no arguments"),
        ("{{(.Name}}", "( without )"),
        ("{{.Name)}}", "no place for ')'"),
        ("{{.Name | 1}}", "a function"),
        ("{{$x}}", "no variable"),
        ("{{$x = 1}}", "no variable"),
        ("{{index .Mounts 2}}", "from 0 to 1"),
        ("{{index .Empty 0}}", "no elements"),
        ("{{index .State `x`}}", "there is no 'x'"),
        ("{{range .Name}}{{end}}", "over a text"),
        ("{{eq .Name 1}}", "cannot be compared"),
        ("{{lt .Mounts .Mounts}}", "cannot be compared"),
        ("{{.Label}}", "wants an argument"),
        ("{{break}}", "in a range"),
        ('{{"a\\q"}}', "no escape"),
        ("{{define `x`}}{{end}}", "not supported"),
        ("{{.Name\x1b[31m}}", r"\x1b"),
        ("{{" + "1" * 5000 + "}}", "digits"),
        ('{{printf "%99999999d" 1}}', "too wide"),
        ('{{printf "%' + "9" * 5000 + '.3d" 1}}', "too wide"),
        ('{{printf "%.' + "9" * 5000 + 'f" 1.5}}', "too wide"),
        ("{{" + "(" * 5000 + ".Name" + ")" * 5000 + "}}", "nested"),
        ("{{if .Name}}" * 5000 + "{{end}}" * 5000, "nested"),
        ("{{if .None}}{{else if .None}}" + "{{else if .None}}" * 3000 + "{{end}}", "nested"),
    ],
)
def test_a_mistake_is_one_line(template: str, about: str) -> None:
    """Of printable characters, not too long; exit code 1, as docker's."""
    with pytest.raises(Fault) as caught:
        render(template)

    line = str(caught.value)
    assert about in line
    assert caught.value.exit_code == 1
    assert line.isprintable()
    assert len(line) < 300


@pytest.mark.parametrize(
    "template",
    [
        "{{range $}}" * 40 + "x" + "{{end}}" * 40,
        "{{range .}}{{range $}}{{range $}}{{json $}}{{end}}{{end}}{{end}}" * 500,
        '{{$x := "xxxxxxxxxxxxxxxx"}}' + "{{$x = print $x $x}}" * 3000,
        '{{$x := split (printf "%1000d" 1) ""}}' + "{{json $x}}" * 5000,
        "{{join (split (join . `" + "y" * 30000 + "`) ``) `" + "z" * 30000 + "`}}",
        '{{printf "' + "%1000d" * 9000 + '"' + " 1" * 3000 + "}}",
    ],
    ids=["ranges", "json", "doubling", "lists", "joining", "padding"],
)
def test_a_bomb_is_defused(template: str) -> None:
    """What grows without end is told so soon, and takes little memory."""
    began = time.monotonic()
    with pytest.raises(Fault, match=r"come to an end|does not take|too"):
        render(template, [["abcdefgh"] * 50] * 50)

    assert time.monotonic() - began < 20


def test_what_is_joined_is_counted_before_it_is_made() -> None:
    """A few KiB of template would else be GiB of memory, and only then too much."""
    template = "{{len (join (split `" + "y" * 5000 + "` ``) `" + "z" * 20000 + "`)}}"
    tracemalloc.start()
    try:
        with pytest.raises(Fault, match="too much"):
            render(template)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 20 << 20


_WORDS = st.sampled_from(
    [
        *("{{", "}}", "{{-", "-}}", "/*", "*/", ".", "$", "$x", ":=", "=", "|", "(", ")", ","),
        *(".Name", ".State", ".Mounts", ".Ports", "range", "if", "else", "end", "with", "break"),
        *("continue", "json", "join", "split", "upper", "index", "len", "printf", "print", "eq"),
        *("and", "or", "not", "true", "nil", "1", "-1", "1.5", '"a"', '"%s"', "`", '"', "\\"),
        *("\0", "\n", "é"),
    ]
)


@settings(max_examples=300)
@given(st.lists(_WORDS, max_size=400), st.sampled_from([" ", ""]))
def test_any_text_is_a_template_or_a_fault(words: list[str], between: str) -> None:
    """Nothing else comes out of it, whatever is written."""
    text = between.join(words)
    try:
        said: str | None = render(text)
    except Fault as fault:
        said = str(fault) if str(fault).isprintable() else None

    assert isinstance(said, str)


@settings(max_examples=50)
@given(st.lists(_WORDS, min_size=1, max_size=40), st.sampled_from(["", " "]))
def test_the_largest_templates_do_not_hang(words: list[str], between: str) -> None:
    """64 KiB of any pattern, repeated."""
    pattern = between.join(words) or "x"
    began = time.monotonic()
    try:
        render((pattern * (LARGEST // len(pattern) + 1))[:LARGEST])
    except Fault:
        pass

    assert time.monotonic() - began < 20


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_json_is_the_data(data: Any) -> None:
    """``{{json .}}`` loses nothing."""
    assert json.loads(render("{{json .}}", data)) == data
