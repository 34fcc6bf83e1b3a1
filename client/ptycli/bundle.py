"""Writes a container down: everything that its keeper reads, and the root of its box."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ptycli import mount, privilege
from ptycli.arguments import Failure, size_of
from ptycli.idmap import IdMaps, delegated_ranges, rooted, rootless
from ptycli.image.config import Wishes, read_wishes
from ptycli.limits import with_defaults
from ptycli.names import random_name
from ptycli.network import Choice, choose_network, etc_files
from ptycli.root import (
    Root,
    etc_mounts,
    find_folder,
    folder_root,
    host_root,
    shared_root,
    writable_host_root,
)
from ptycli.skeleton import build_skeleton
from ptycli.spec import BoxOptions, make_spec
from ptycli.user import find_user
from ptykeep import event, state
from ptykeep.summary import summarize

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ptycli.container import Container
    from ptylaunch.account import Account


def write_down(container: Container, options: argparse.Namespace) -> list[str]:
    """Write everything that the keeper reads; return notices for the user."""
    claim_name(container, options)
    if os.geteuid() == 0:
        maps = rooted(state.claim_range(container.dirs, container.id, delegated_ranges()))
    else:
        maps = rootless()
    if options.tls:
        prepare_tls(container, options)
    tree, wishes = find_image(container, options, maps)
    network = choose_network(options, list(wishes.ports))
    hostname = options.hostname or options.name.replace("_", "-")
    rootfs = f"{container.directory}/bundle/rootfs"
    os.makedirs(rootfs, 0o700)
    os.chmod(rootfs, 0o755)  # noqa: S103 - it becomes / of the box
    owner = (maps.root_uid, maps.root_gid)
    texts = etc_files(network, hostname, options.surroundings)
    root, etc = make_root(container, options, maps, texts, tree)
    options.cgroups_path = f"ptyd-{container.id}"
    options.resources, notice = with_defaults(options.resources, options.cgroups_path)
    try:
        mounts = mount.prepare(
            options.mounts,
            container.dirs.data,
            f"{container.directory}/bundle",
            owner if maps.rooted else None,
        )
        user = find_user(root.files, options.user or wishes.user or None, options.group_add, maps)
        box = box_options(options, maps, hostname, mounts, wishes, user=user, network=network)
        spec = make_spec(box._replace(root=root._replace(mounts=(*root.mounts, *etc))))
    except ValueError as error:  # -e, --env-file, --user: a line for the user
        raise Failure(str(error)) from None
    state.write_json(f"{container.directory}/config.json", spec)
    summary = summarize(spec, json.loads(spec["annotations"][state.OPTIONS]))
    fields = {"id": container.id, "name": options.name, "summary": summary}
    event.note(container.dirs.data, "create", fields)
    notices = [
        maps.notice,
        notice,
        network.notice,
        root.notice,
        privilege.PRIVILEGED if options.privileged else "",
    ]
    return [each for each in notices if each]


def find_image(
    container: Container, options: argparse.Namespace, maps: IdMaps
) -> tuple[str, Wishes]:
    """Return the tree of ``--image``, unpacked, and what it wants; neither without an image."""
    if not options.image:
        options.command = Wishes().command(options.command, options.entrypoint)
        return "", Wishes()
    from ptycli.image.catalog import find_image as find_named  # only images want all of this
    from ptycli.image.catalog import full_name
    from ptycli.image.layout import read_image, split_reference
    from ptycli.image.store import take
    from ptylaunch.errors import LaunchFailed

    kind, _, reference = options.image.partition(":")
    name = full_name(options.image)
    if not (kind == "oci" and reference) and name is None:
        raise Failure(
            f"--image {options.image}: it is host, NAME[:TAG], or oci:DIR[:TAG], an image layout"
        )
    try:
        if kind == "oci" and reference:
            image = read_image(*split_reference(reference))
        else:
            image = find_named(container.dirs, name or "")
        wishes = read_wishes(image.config)
        options.command = wishes.command(options.command, options.entrypoint)
        if not options.command:
            raise Failure(f"--image {options.image}: it has no command of its own, so give one")
        return take(container.dirs, image, maps, container.id), wishes
    except LaunchFailed as failure:
        line = failure.detail if failure.stage == "image" else str(failure)
        raise Failure(f"--image {options.image}: {line}") from None


def make_root(
    container: Container,
    options: argparse.Namespace,
    maps: IdMaps,
    texts: dict[str, str],
    tree: str,
) -> tuple[Root, list[dict[str, Any]]]:
    """Make what the box has as its root; return it, and the mounts of ``texts`` over its /etc.

    ``tree`` is an image's, empty without an image.
    """
    bundle = f"{container.directory}/bundle"
    owner = (maps.root_uid, maps.root_gid) if maps.rooted else None
    nosuid = options.privileges.no_new_privileges
    layers = state.layers_dir(container.directory)
    covered = {each.target for each in options.mounts}
    if options.rootfs is None and not tree:
        binds = [each.mount_point for each in options.mounts]
        rootfs, writable = f"{bundle}/rootfs", bool(options.writable)
        build_skeleton(rootfs, etc=texts, binds=binds, owner=owner, packages=writable)
        if writable:
            from ptycli.layer import NOTE, listing  # for ptyd diff: nobody else writes on it

            state.write_json(f"{bundle}/{NOTE}", listing(rootfs))
            return writable_host_root(rootfs, layers, maps), []
        return host_root(rootfs), []
    folder = tree or find_folder(str(options.rootfs))
    if options.writable:
        root = shared_root(folder, maps, nosuid=nosuid)
    else:
        root = folder_root(folder, layers, maps, nosuid=nosuid, readonly=options.read_only)
    return root, etc_mounts(f"{bundle}/etc", texts, owner, covered, readonly=options.read_only)


def claim_name(container: Container, options: argparse.Namespace) -> None:
    given = options.name is not None
    for _ in range(1 if given else 64):
        options.name = options.name if given else random_name()
        try:
            state.claim_name(container.dirs, options.name, container.id)
        except FileExistsError:
            continue
        return
    raise Failure(f"the name {options.name} is taken: choose another, or ptyd rm {options.name}")


def prepare_tls(container: Container, options: argparse.Namespace) -> None:
    from ptycli.certificate import check_pair, make_self_signed

    if options.cert:
        options.cert, options.key = map(os.path.abspath, (options.cert, options.key))
        check_pair(options.cert, options.key)
        return
    host = next(w["host"] for w in options.listeners if w["dialect"] == "ptyd.v1")
    options.cert, options.key = make_self_signed(container.directory, host)


def box_options(
    options: argparse.Namespace,
    maps: IdMaps,
    hostname: str,
    mounts: Sequence[mount.Volume | mount.Tmpfs],
    wishes: Wishes,
    *,
    user: Account,
    network: Choice,
) -> BoxOptions:
    fixed: str | tuple[int, int] = options.fixed_size
    rows, cols = window_size() if isinstance(fixed, str) else fixed
    own = {
        "name": options.name,
        "labels": options.labels,
        "rm": options.rm,
        "stdin": not options.no_stdin,
        "foreground": not options.detach,
        "listen": options.listeners,
        "tls": options.tls,
        "cert": options.cert,
        "key": options.key,
        "host_names": options.host_name,
        "log_max": options.log_max,
        "size": options.size,
        "one_driver": options.one_driver,
        "metrics": options.metrics,
        "network": network.wish,
        "image": options.image or options.rootfs or "host",
        "stop_signal": options.stop_signal or wishes.stop_signal,
        "stop_timeout": state.STOP_TIMEOUT
        if options.stop_timeout is None
        else options.stop_timeout,
        "restart": options.restart,
        "runtime": options.runtime,
    }
    return BoxOptions(
        args=options.command,
        maps=maps,
        hostname=hostname,
        env=options.env,
        env_files=options.env_file,
        image_env=wishes.env,
        cwd=options.workdir or wishes.workdir or None,
        tty=options.tty,
        rows=rows,
        cols=cols,
        volumes=mounts,
        readonly=options.read_only,
        shm_size=size_of(options.shm_size),
        user=user,
        privileges=options.privileges,
        init=options.init,
        network=network.mode,
        resources=options.resources,
        cgroups_path=options.cgroups_path,
        annotations={**options.annotations, state.OPTIONS: json.dumps(own)},
    )


def window_size() -> tuple[int, int]:
    """Return rows and columns of our terminal, so that the program starts with them."""
    for fd in (1, 0, 2):
        try:
            size = os.get_terminal_size(fd)
        except OSError:
            continue
        if size.lines and size.columns:
            return size.lines, size.columns
    return 24, 80
