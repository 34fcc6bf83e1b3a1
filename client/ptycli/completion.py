"""``ptyd completion``: what shells source, and the answers to what they then ask.

A shell asks ``ptyd completion --words -- WORD…`` for what the last word may become. The answers
come from the verbs' own parsers and from the state folder, so they are never old.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from ptycli.arguments import Collected, Failure, Parser
from ptycli.container import names
from ptykeep import state

if TYPE_CHECKING:
    from argparse import Action
    from collections.abc import Iterable, Sequence

USAGE: Final = "ptyd completion bash|zsh|fish"

_BASH: Final = """\
_ptyd() {
    local line=${COMP_LINE:0:COMP_POINT} words word IFS=$' \\t\\n'
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[-1]}
    [[ ${words[0]##*/} == ptyc ]] && words=(ptyc attach "${words[@]:1}")
    IFS=$'\\n'
    COMPREPLY=($(ptyd completion --words -- "${words[@]:1}" 2>/dev/null))
    # Readline begins a new word behind : and =, and replaces no more than that.
    COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*[:=]}"}"}")
}
complete -o default -F _ptyd ptyd ptyc
"""
_ZSH: Final = """\
#compdef ptyd ptyc
_ptyd() {
    local -a asked found
    asked=("${(@)words[2,CURRENT]}")
    [[ ${words[1]:t} == ptyc ]] && asked=(attach "${(@)asked}")
    found=("${(@f)$(ptyd completion --words -- "${(@)asked}" 2>/dev/null)}")
    if [[ -n ${found[1]} ]]; then compadd -Q -- "${(@)found}"; else _files; fi
}
if [[ ${funcstack[1]} == _ptyd ]]; then _ptyd "$@"; else compdef _ptyd ptyd ptyc; fi
"""
_FISH: Final = """\
function __ptyd_words
    set -l asked (commandline -opc)[2..-1]
    test (path basename (commandline -opc)[1]) = ptyc; and set -p asked attach
    ptyd completion --words -- $asked (commandline -ct) 2>/dev/null
end
for program in ptyd ptyc
    complete -c $program -f -a '(__ptyd_words)'
    complete -c $program -n 'test -z "$(__ptyd_words)"' -F
end
"""
_SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_MOST: Final = 1000
"""Answers: nobody reads more."""


def main(arguments: list[str]) -> int:
    parser = Parser("completion", "Print what lets a shell complete ptyd and ptyc.", USAGE)
    parser.add_argument("--words", action="store_true", help="what the last word may become")
    parser.add_argument("rest", metavar="SHELL", nargs="+")
    options = parser.parse_args(arguments)
    if options.words:
        found = sorted(set(answers(options.rest)))
        print("".join(f"{each}\n" for each in found[:_MOST]), end="")
        return 0
    shell: str = options.rest[0]
    if len(options.rest) > 1 or shell not in _SCRIPTS:
        raise Failure(f"{shell}: {USAGE}")
    print(_SCRIPTS[shell], end="")
    return 0


def answers(words: Sequence[str]) -> list[str]:
    """Return what the last of the words behind ``ptyd`` may become."""
    from ptycli.main import VERBS

    *before, word = words
    if before[:1] == ["container"]:
        from ptycli.container_command import VERBS as CONTAINER_VERBS
        from ptycli.container_command import resolve

        if len(before) == 1:
            return [each for each in CONTAINER_VERBS if each.startswith(word)]
        before = resolve(before)
    if not before:
        known: Iterable[str] = [*VERBS, "--help", "--version"]
    elif before[0] not in VERBS:
        known = ()
    elif before[0] == "image" and len(before) == 1:
        from ptycli.image_command import COMMANDS

        known = COMMANDS
    else:
        known = _of_verb(before[0], before[1:], word)
    return [each for each in known if each.startswith(word)]


def parser_of(verb: str, arguments: Sequence[str] = ()) -> Parser | None:
    """Return the parser of a verb, which is asked to do nothing else."""
    from ptycli.main import module_of

    Parser.collecting = True
    try:
        importlib.import_module(module_of(verb)).main(list(arguments))
    except Collected as collected:
        return collected.parser
    except Failure:
        return None
    finally:
        Parser.collecting = False
    return None


def _of_verb(verb: str, before: Sequence[str], word: str) -> Iterable[str]:
    # ``image rm`` and the like are verbs of their own; they look at their first word only.
    parser = parser_of(verb, before[:1] if verb == "image" else ())
    if parser is None:
        return ()
    given = before[1:] if verb == "image" else before
    flag, equals, _ = word.partition("=")
    if equals and word.startswith("--") and (action := parser.option(flag)) is not None:
        return [f"{flag}={value}" for value in _values(action)]
    last = parser.option(given[-1]) if given else None
    if last is not None and last.nargs != 0:
        return _values(last)
    count = _positionals(parser, given)
    if word.startswith("-") and (count == 0 or not _takes_command(parser)):
        return parser.flags()
    return _for_place(verb, given, parser, count)


def _for_place(verb: str, given: Sequence[str], parser: Parser, count: int) -> Iterable[str]:
    """Return what may stand where no option does, ``count`` others before it."""
    places = parser.positionals()
    if count >= len(places) and not (places and places[-1].nargs in ("+", "*")):
        return ()
    place = places[min(count, len(places) - 1)]
    if parser.prog in ("ptyd rmi", "ptyd images"):
        return _images()
    if verb == "completion":
        return _SCRIPTS
    there = names(state.directories())
    if str(place.metavar).startswith("NAME:"):  # or a path of here
        return [f"{each}:" for each in there]
    is_name = place.metavar in ("NAME", "NAME[/N]")
    return [each for each in there if each not in given] if is_name else ()


def _positionals(parser: Parser, words: Sequence[str]) -> int:
    """Return how many of the words are no options, and no values of some."""
    count, takes = 0, False
    for word in words:
        action = None if takes or (count and _takes_command(parser)) else parser.option(word)
        if takes:
            takes = False
        elif action is not None:
            takes = action.nargs != 0
        elif not word.startswith("-"):
            count += 1
    return count


def _takes_command(parser: Parser) -> bool:
    """Tell whether what follows the names belongs to another program."""
    return any(action.nargs == "..." for action in parser.positionals())


def _values(action: Action) -> Iterable[str]:
    if action.choices is not None:
        return [str(choice) for choice in action.choices]
    match action.dest:
        case "filter":
            return [f"{key}=" for key in (action.help or "").rpartition(": ")[2].split(", ")]
        case "image":
            return ["host", *_images()]
        case "format":
            return ["json", "table"]
        case _:
            return ()


def _images() -> list[str]:
    from ptycli.image.catalog import entries  # for who asks

    return [entry.name for entry in entries(state.directories())]
