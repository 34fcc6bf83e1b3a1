"""What ``--format`` makes of rows, for every verb that lists: a table, JSON, or a template.

As docker has it: nothing or ``table`` is the verb's own table, ``table TEMPLATE`` one of the
template's columns, which tabs part; ``json`` is an object a line; anything else is a template,
rendered once a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ptycli.arguments import for_stdout, printable

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Mapping, Sequence

    from ptycli.template.evaluation import Template

_GAP: Final = 3
"""Blanks between two columns."""
_NARROWEST: Final = 10
"""Columns of the terminal that one of a table takes, its gap included; docker's."""


def add_format(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        default="",
        metavar="FORMAT",
        help="table, 'table TEMPLATE', json, or a template such as '{{.Names}}'",
    )


class Listing:
    """Rows, printed as was asked for; made before there are any, so that a mistake is told first.

    ``headers`` has every field of a row; ``columns`` are the fields of the verb's own table.
    """

    def __init__(self, form: str, headers: Mapping[str, str], columns: Sequence[str]) -> None:
        self._headers = headers
        self._columns = columns
        self._is_json = form == "json"
        self._template: Template | None = None
        word, _, rest = form.partition(" ")
        self._is_table = form == "" or word == "table"
        if form not in ("", "json", "table"):
            from ptycli.template.evaluation import Template  # for who wants one

            self._template = Template(_unescaped(rest if self._is_table else form))
            if self._is_table:
                self._heads = self._render_heads(_unescaped(rest))

    def show(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Print all of them."""
        if self._is_table:
            print_table(self._table(rows))
            return
        for row in rows:
            self.show_one(row)

    def show_one(self, row: Mapping[str, Any]) -> None:
        """Print a row that waits for no others, as of ``events``; there is no table of one."""
        if self._is_json:
            from ptycli.template.value import to_json  # for who wants it

            print(to_json(row))
        else:
            assert self._template is not None
            print(for_stdout(self._template.render(row)))

    def _table(self, rows: Iterable[Mapping[str, Any]]) -> list[Sequence[str]]:
        if self._template is None:
            heads = [self._headers[column] for column in self._columns]
            return [heads, *([row[column] for column in self._columns] for row in rows)]
        rendered = [self._template.render(row) for row in rows]
        return [line.split("\t") for said in [self._heads, *rendered] for line in said.split("\n")]

    def _render_heads(self, template: str) -> str:
        """Return the template's own first line: its fields stand for their names."""
        from ptycli.template.evaluation import Template
        from ptycli.template.value import Method

        heads: dict[str, Any] = {**self._headers}
        if "Labels" in heads:
            heads["Label"] = Method(lambda key: key.rpartition(".")[2].upper())
        names = ("json", "join", "lower", "pad", "split", "title", "truncate", "upper", "index")
        return Template(template, dict.fromkeys(names, _same)).render(heads)


def _same(value: Any, *_: Any) -> Any:
    """Return a field's name in place of what a function makes of its values."""
    return value


def _unescaped(text: str) -> str:
    r"""Return a template in which ``\t`` and ``\n`` of a shell's quotes are what they say."""
    return text.replace("\\t", "\t").replace("\\n", "\n")


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns as wide as they have to be; rows may be of different lengths."""
    widths: list[int] = []
    for row in rows:
        widths += [_NARROWEST - _GAP] * (len(row) - len(widths))
        for column, cell in enumerate(row):
            widths[column] = max(widths[column], len(cell))
    for row in rows:
        cells = (printable(cell).ljust(width) for cell, width in zip(row, widths, strict=False))
        print((" " * _GAP).join(cells).rstrip())
