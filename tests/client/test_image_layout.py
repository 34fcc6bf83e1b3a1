"""Which image a layout has, and that nothing in it is believed."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layouts import INDEX, MANIFEST, Layout, archive, digest, entry
from ptycli.image.layout import own_platform, read_image, split_reference
from ptylaunch.errors import LaunchFailed

if TYPE_CHECKING:
    from pathlib import Path

ONE = archive([entry("one")])
TWO = archive([entry("two")])


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


def complaint(layout: Layout, tag: str | None = None) -> str:
    with pytest.raises(LaunchFailed) as caught:
        read_image(str(layout.path), tag)
    assert caught.value.stage == "image"
    assert "\n" not in caught.value.detail
    return caught.value.detail


def platform(text: str) -> dict[str, Any]:
    system, architecture = text.split("/")
    return {"platform": {"os": system, "architecture": architecture}}


def test_a_tag_names_an_image(layout: Layout) -> None:
    """Without one there must be one image; a wrong one is answered with those that there are."""
    layout.add(layout.manifest([ONE]), "first")
    assert read_image(str(layout.path), None).diff_ids == (digest(ONE),)
    layout.add(layout.manifest([TWO]), "second")

    assert read_image(str(layout.path), "first").diff_ids == (digest(ONE),)
    assert read_image(str(layout.path), "second").diff_ids == (digest(TWO),)
    assert "first, second" in complaint(layout)
    assert "no image 'third' (there is first, second)" in complaint(layout, "third")


def test_the_manifest_for_this_machine_is_chosen(layout: Layout) -> None:
    """Out of an index, as registries make them."""
    here, there = layout.manifest([ONE]), layout.manifest([TWO], architecture="riscv128")
    both = [{**there, **platform("linux/riscv128")}, {**here, **platform(own_platform())}]
    layout.add(layout.document({"schemaVersion": 2, "manifests": both}, INDEX), "x")

    assert read_image(str(layout.path), "x").diff_ids == (digest(ONE),)


def test_an_image_for_another_machine_is_refused(layout: Layout) -> None:
    """Whether the index says so, or its configuration alone."""
    there = layout.manifest([TWO], architecture="riscv128")
    layout.add(there, "quiet")
    layout.add({**there, **platform("linux/riscv128")}, "told")

    assert "riscv128" in complaint(layout, "quiet")
    assert "riscv128" in complaint(layout, "told")


def test_an_image_does_not_drive_the_terminal(layout: Layout) -> None:
    """What a complaint quotes is anybody's: a title, a platform, a kind."""
    evil = "\x1b]0;mine\x07"
    manifest = layout.manifest([TWO], architecture=evil)
    layout.add(manifest, evil)
    layout.add({**layout.manifest([ONE]), **platform(f"linux/{evil}")}, "platform")
    layout.add({**layout.manifest([ONE]), "mediaType": evil}, "kind")

    for tag in (evil, "platform", "kind", "no such"):
        assert complaint(layout, tag).isprintable()
        assert "mine" in complaint(layout, tag)


def test_chain_id_is_the_specs(layout: Layout) -> None:
    """image-spec, config.md: of one layer its diff_id, of two the digest of both."""
    layout.add(layout.manifest([ONE, TWO]))
    both = f"{digest(ONE)} {digest(TWO)}".encode()

    assert read_image(str(layout.path), None).chain_id == digest(both)


def test_a_changed_document_is_refused(layout: Layout) -> None:
    """By its size, or by its digest."""
    manifest = layout.manifest([ONE])
    layout.add(manifest)
    place = layout.place(manifest["digest"])
    text = place.read_bytes()
    place.write_bytes(text + b" ")
    longer = complaint(layout)
    place.write_bytes(text.replace(b"2", b"3", 1))
    other = complaint(layout)
    place.unlink()
    place.mkdir()

    assert "bytes, not" in longer
    assert "its digest is another" in other
    assert "sha256" in complaint(layout)


def test_what_is_two_things_at_once_is_refused(layout: Layout) -> None:
    """CVE-2021-41190: an index to one reader, a manifest to another."""
    inner = layout.manifest([ONE])
    document = json.loads(layout.place(inner["digest"]).read_bytes())
    layout.add(layout.document({**document, "manifests": []}, MANIFEST), "manifest")
    both = {**document, "manifests": [inner], "mediaType": INDEX}
    layout.add(layout.document(both, INDEX), "index")
    layout.add(layout.document(document, INDEX), "lie")

    assert "at once" in complaint(layout, "manifest")
    assert "at once" in complaint(layout, "index")
    assert "it says that it is" in complaint(layout, "lie")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"digest": "sha256:../../../../etc/passwd"}, "no digest"),
        ({"digest": "md5:00"}, "no digest"),
        ({"size": -1}, "no size"),
        ({"size": True}, "no size"),
        ({"size": 1 << 40}, "too many"),
        ({"mediaType": "text/plain"}, "not a manifest"),
        ({"mediaType": 7}, "of no type"),
        ({"annotations": []}, "not an object"),
    ],
)
def test_bad_descriptor_is_refused(layout: Layout, change: dict[str, Any], line: str) -> None:
    """Before anything is opened by it."""
    layout.add({**layout.manifest([ONE]), **change})

    assert line in complaint(layout)


def test_no_layout_no_image(tmp_path: Path) -> None:
    """A folder that is something else, or nothing, or has pipes for files."""
    layout = Layout(tmp_path / "layout")
    assert "there is no image" in complaint(layout)
    (layout.path / "index.json").unlink()
    os.mkfifo(layout.path / "index.json")
    assert "not a file" in complaint(layout)
    (layout.path / "oci-layout").write_text("{}")
    assert "no image layout" in complaint(layout)
    (layout.path / "oci-layout").unlink()
    assert "No such file" in complaint(layout)


def test_a_reference_is_a_folder_and_a_tag(tmp_path: Path) -> None:
    """A tag may have colons; a folder with one in its name is found all the same."""
    (tmp_path / "a:b").mkdir()

    assert split_reference("/x") == ("/x", None)
    assert split_reference("/x:docker.io/y:1") == ("/x", "docker.io/y:1")
    assert split_reference(f"{tmp_path}/a:b") == (f"{tmp_path}/a:b", None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["manifests", "layers", "config", "digest", "size", "mediaType", "platform",
                         "annotations", "rootfs", "diff_ids"]), inner, max_size=4),
)  # fmt: skip


@given(JSON, JSON, JSON)
def test_no_document_makes_it_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, index: Any, manifest: Any, config: Any
) -> None:
    """They come from strangers."""
    layout = Layout(tmp_path_factory.mktemp("layout") / "x")
    described = layout.document(config, "application/vnd.oci.image.config.v1+json")
    made = {**(manifest if isinstance(manifest, dict) else {}), "config": described, "layers": []}
    layout.add(layout.document(made, MANIFEST), "x")
    for tag in ("x", None):
        with contextlib.suppress(LaunchFailed):
            read_image(str(layout.path), tag)
        (layout.path / "index.json").write_text(json.dumps(index))
