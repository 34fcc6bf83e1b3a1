"""The law: a tree is what the specification says of its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from layouts import archive, entry, folder, symlink
from trees import apply_bytes, listing

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Sequence

    import pytest

    Entry = tuple[tarfile.TarInfo, bytes]


class Model(NamedTuple):
    """The specification in a dictionary: path to ``/``, ``>target`` or a text."""

    tree: dict[str, str]

    def apply(self, layer: Sequence[tuple[str, str]]) -> None:
        for name, what in layer:  # first what is hidden, of what was there before
            if what == "opaque":
                self._drop(name, itself=False)
            elif what == "hidden":
                self._drop(name, itself=True)
        for name, what in layer:
            if what in ("opaque", "hidden"):
                continue
            above = name.split("/")[:-1]
            for depth in range(1, len(above) + 1):
                self.tree.setdefault("/".join(above[:depth]), "/")
            if not (what == "/" and self.tree.get(name) == "/"):
                self._drop(name, itself=True)
            self.tree[name] = what

    def _drop(self, name: str, *, itself: bool) -> None:
        for path in list(self.tree):
            if path.startswith(f"{name}/") or (itself and path == name):
                del self.tree[path]


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
WHATS = st.sampled_from(["/", "/", "1", "2", ">x", "hidden", "hidden", "opaque"])
LAYERS = st.lists(st.lists(st.tuples(NAMES, WHATS), max_size=6), min_size=1, max_size=4)


def as_entry(name: str, what: str) -> Entry:
    above, _, last = name.rpartition("/")
    if what == "hidden":
        return entry(f"{above}/.wh.{last}".lstrip("/"))
    if what == "opaque":
        return entry(f"{name}/.wh..wh..opq")
    if what == "/":
        return folder(name)
    return symlink(name, what[1:]) if what[0] == ">" else entry(name, what.encode())


def is_possible(tree: dict[str, str], layer: Sequence[tuple[str, str]]) -> bool:
    """Tell whether every parent is a folder or missing, at each step."""
    model = Model(dict(tree))
    model.apply([each for each in layer if each[1] in ("opaque", "hidden")])
    for name, what in layer:
        if what in ("opaque", "hidden"):
            continue
        above = name.split("/")[:-1]
        parents = ["/".join(above[:depth]) for depth in range(1, len(above) + 1)]
        if any(model.tree.get(parent, "/") != "/" for parent in parents):
            return False
        model.apply([(name, what)])
    return True


@given(layers=LAYERS, packed=st.booleans())
def test_a_tree_is_what_its_layers_say(
    tmp_path_factory: pytest.TempPathFactory, *, layers: list[list[tuple[str, str]]], packed: bool
) -> None:
    """Of any layers, hidden things anywhere among what is made."""
    model = Model({})
    taken: list[bytes] = []
    for layer in layers:
        # A parent that the layer itself hides again is there or not, as the order has it.
        hidden = {name for name, what in layer if what == "hidden"}
        made = {name for name, what in layer if what not in ("hidden", "opaque")}
        mixed = any(name.startswith(f"{other}/") for name in made for other in hidden | made)
        if mixed and not is_in_order(layer):
            continue
        if is_possible(model.tree, layer):
            model.apply(layer)
            taken.append(archive([as_entry(name, what) for name, what in layer]))
    tree = tmp_path_factory.mktemp("law") / "t"
    apply_bytes(tree, taken, packed=packed)

    assert listing(tree) == model.tree


def is_in_order(layer: Sequence[tuple[str, str]]) -> bool:
    """Tell whether what hides comes before what is made, as layers are usually written."""
    hiding = [what in ("hidden", "opaque") for _, what in layer]
    return sorted(hiding, reverse=True) == hiding
