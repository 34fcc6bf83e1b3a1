"""``ptyd run``: write a container down, start its keeper, and attach to it."""

from __future__ import annotations

import argparse
import importlib
import ipaddress
import json
import os
import select
import signal
import sys
from typing import TYPE_CHECKING, Any

from ptyc.address import Target
from ptycli import mount, privilege
from ptycli.arguments import NAME, Failure, Parser, address_of, is_utf8, size_of
from ptycli.container import Container, signal_keeper, wait_for_keeper
from ptycli.idmap import IdMaps, delegated_ranges, rooted, rootless
from ptycli.interruption import Interrupted, Interruption
from ptycli.limits import add_options, read_options, with_defaults
from ptycli.names import random_name
from ptycli.network import Choice, check_options, choose_network, etc_files
from ptycli.network import add_options as add_network_options
from ptycli.rm import remove
from ptycli.skeleton import build_skeleton
from ptycli.spec import BoxOptions, make_spec
from ptycli.user import find_user
from ptykeep import state
from ptykeep.launch import StartFailed, Starting, start_keeper
from ptywire.lean import without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ptylaunch.account import Account

_PATIENCE = 5.0
"""Seconds that a keeper which could not start may take to end."""

USAGE = "ptyd run [OPTIONS] [--] COMMAND [ARG…]"


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    dirs = state.directories()
    state.prepare(dirs)
    identity = os.urandom(32).hex()
    container = Container(dirs, identity, state.container_dir(dirs, identity))
    try:
        with Interruption() as interruption:
            tell(container, options, *start(container, options, interruption))
            if not options.detach:
                return attach(container, options, interruption)
            print(identity, flush=True)
            return 0
    except Interrupted as signal_:
        return 128 + signal_.number


def start(
    container: Container, options: argparse.Namespace, interruption: Interruption
) -> tuple[dict[str, Any], list[str]]:
    """Make a container and start its program; return what the keeper says, and notices.

    Raise Failure or Interrupted with nothing left of it.
    """
    try:
        os.mkdir(container.directory, 0o700)
        notices = write_down(container, options)
        interruption.hold()  # from here on there is more to end than files
        starting = start_keeper(container.dirs.data, container.dirs.run, container.id)
    except BaseException:
        state.remove_container(container.dirs, container.id)
        raise
    try:
        if not options.detach:
            import_client()  # while the keeper is at work
        poll = select.poll()
        poll.register(interruption, select.POLLIN)
        poll.register(starting, select.POLLIN)
        poll.poll()
        interruption.check()
        started = starting.wait()
        interruption.check()
    except StartFailed as error:
        starting.wait_for_end(_PATIENCE)
        if container.keeper_pid is None:
            state.remove_container(container.dirs, container.id)
        raise Failure(str(error), error.exit_code) from None
    except Interrupted:
        abandon(container, starting)
        raise
    return started, notices


def abandon(container: Container, starting: Starting) -> None:
    """End a keeper wherever it is, and remove its container."""
    starting.interrupt()
    try:
        starting.wait()
    except StartFailed:
        starting.wait_for_end(_PATIENCE)
    remove(container, container.id)


def import_client() -> None:
    importlib.import_module("ptyc.attach")
    with without("importlib.metadata"):
        importlib.import_module("websockets.client")  # half of it


def attach(container: Container, options: argparse.Namespace, interruption: Interruption) -> int:
    """Attach in the foreground; return the program's exit status, or 0 after a detach."""
    from ptyc.attach import Options
    from ptyc.attach import attach as attach_to
    from ptyc.name import user_name
    from ptyc.proxy import Proxy

    proxy = Proxy(interruption.take)
    code = attach_to(
        Target(path=container.control, name=options.name),
        Options(
            stdin=not options.no_stdin,
            detach_keys=options.detach_keys,
            detach_names=options.detach_names,
            from_="start",
            tty=options.tty,
            hold=True,
            name=user_name() if options.known_as is None else options.known_as,
            counts=not options.no_size,
            clipboard=options.clipboard,
        ),
        proxy,
    )
    if proxy.waiting:
        # The program was to hear of it and there was no server to tell it: its keeper ends it.
        signal_keeper(container, signal.SIGTERM)
        return 128 + proxy.waiting[0]
    if options.rm and container.read_state()["status"] == "exited":
        wait_for_keeper(container, 5.0)  # it removes what is left
    return code


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the checked command line; raise Failure with one line."""
    parser = Parser("run", "Run a program in a box with a terminal server of its own.", USAGE)
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="print the id and return")
    add("-i", "--interactive", action="store_true", help="keep stdin open (default)")
    add("-t", "--tty", action="store_true", default=None, help="give the program a terminal")
    add("--no-tty", dest="tty", action="store_false", help="three pipes, stderr apart")
    add("--no-stdin", action="store_true", help="stdin is empty")
    add("--name", metavar="NAME", help="default: two words")
    add("--rm", action="store_true", help="remove the container when it has ended")
    add("-e", "--env", metavar="K=V", action="append", default=[], help="K copies ours")
    add("--env-file", metavar="FILE", action="append", default=[])
    add("-w", "--workdir", metavar="DIR", help="default: the home directory, /root")
    add("--hostname", metavar="NAME", help="default: the container's name")
    mount.add_options(parser)
    privilege.add_options(parser)
    add("-u", "--user", metavar="USER[:GROUP]", help="a name or number of the box's, default 0")
    add("--group-add", metavar="GROUP", action="append", default=[])
    add("--init", action="store_true", default=True, help="pid 1 is one of ours (default)")
    add("--no-init", dest="init", action="store_false", help="pid 1 is the program")
    add_network_options(add)
    add_options(parser)
    add("--listen", metavar="[HOST:]PORT", help="default: 127.0.0.1:0, any port; none: nowhere")
    add("--raw", metavar="[HOST:]PORT", help="also serve plain bytes, unauthenticated")
    add("--raw-anywhere", action="store_true", help="let --raw leave loopback")
    add("--host-name", metavar="NAME", action="append", default=[], help="a Host to answer to")
    add("--cert", metavar="FILE", help="TLS certificate (PEM); default off loopback: made here")
    add("--key", metavar="FILE", help="its key (PEM)")
    add("--log-max", metavar="SIZE", default="64m", help="bytes of output kept, default 64m")
    add("--size", metavar="POLICY", default="latest", help="whose window counts, see ptyd size")
    add("--one-driver", action="store_true", help="one types at a time, others ask for the turn")
    add("--as", dest="known_as", metavar="NAME", help="what others call us: our user name")
    add("--no-size", action="store_true", help="our window does not count")
    add("--clipboard", action="store_true", help="let the program set our clipboard (OSC 52)")
    add("--detach-keys", metavar="KEYS", default="ctrl-p,ctrl-q", help="'' for none")
    add("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    options = parser.parse_args(arguments)
    if options.command[:1] == ["--"]:
        del options.command[0]
    if not options.command or not options.command[0]:
        raise Failure(f"no command: {USAGE}")
    check(options)
    return options


def check(options: argparse.Namespace) -> None:
    """Validate and complete everything once, before anything is made."""
    if options.name is not None and not NAME.fullmatch(options.name):
        raise Failure(
            f"--name {options.name!r}: a name has up to 64 letters, digits and _.-, "
            "the first a letter or digit"
        )
    if options.hostname is not None and not NAME.fullmatch(options.hostname):
        raise Failure(
            f"--hostname {options.hostname!r}: a host name has up to 64 letters, digits and _.-, "
            "the first a letter or digit"
        )
    for option in ("listen", "raw", "host_name", "known_as"):
        given: str | list[str] = getattr(options, option) or ""
        for text in [given] if isinstance(given, str) else given:
            if not is_utf8(text):
                raise Failure(f"{text!r}: not UTF-8")
    if options.tty is None:
        options.tty = options.detach or (sys.stdin.isatty() and sys.stdout.isatty())
    if bool(options.cert) != bool(options.key):
        raise Failure("--cert and --key go together")
    options.log_max = size_of(options.log_max)
    options.resources = read_options(options)
    from ptywire.detach import parse_keys
    from ptywire.size import parse_policy

    try:
        options.fixed_size = parse_policy(options.size)
        options.detach_names = options.detach_keys.replace(",", " ")
        options.detach_keys = parse_keys(options.detach_keys)
        options.mounts = mount.read_options(options)
        options.privileges = privilege.read_options(options)
    except ValueError as error:
        raise Failure(str(error)) from None
    options.listeners, options.tls = listeners(options)
    check_options(options)


def listeners(options: argparse.Namespace) -> tuple[list[dict[str, Any]], bool]:
    """Return what the keeper is to bind, and whether ptyd.v1 is spoken over TLS."""
    wanted: list[dict[str, Any]] = []
    tls = bool(options.cert)
    if options.listen != "none":
        host, port = address_of(options.listen or "0")
        wanted.append({"dialect": "ptyd.v1", "host": host, "port": port})
        tls = tls or not is_loopback(host)
    if options.raw is not None:
        host, port = address_of(options.raw)
        if not is_loopback(host) and not options.raw_anywhere:
            raise Failure(
                f"--raw {options.raw}: anybody who reaches it may type; "
                "say --raw-anywhere if that is wanted"
            )
        wanted.append({"dialect": "raw", "host": host, "port": port})
    return wanted, tls


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address; a name is resolved by the keeper alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def write_down(container: Container, options: argparse.Namespace) -> list[str]:
    """Write everything that the keeper reads; return notices for the user."""
    claim_name(container, options)
    if os.geteuid() == 0:
        maps = rooted(state.claim_range(container.dirs, container.id, delegated_ranges()))
    else:
        maps = rootless()
    if options.tls:
        prepare_tls(container, options)
    network = choose_network(options, [])
    hostname = options.hostname or options.name.replace("_", "-")
    rootfs = f"{container.directory}/bundle/rootfs"
    os.makedirs(rootfs, 0o700)
    os.chmod(rootfs, 0o755)  # noqa: S103 - it becomes / of the box
    owner = (maps.root_uid, maps.root_gid)
    build_skeleton(
        rootfs,
        etc=etc_files(network, hostname),
        binds=[each.mount_point for each in options.mounts],
        owner=owner,
    )
    options.cgroups_path = f"ptyd-{container.id}"
    options.resources, notice = with_defaults(options.resources, options.cgroups_path)
    try:
        mounts = mount.prepare(
            options.mounts,
            container.dirs.data,
            f"{container.directory}/bundle",
            owner if maps.rooted else None,
        )
        user = find_user(rootfs, options.user, options.group_add, maps)
        spec = make_spec(box_options(options, maps, hostname, mounts, user=user, network=network))
    except ValueError as error:  # -e, --env-file, --user: a line for the user
        raise Failure(str(error)) from None
    state.write_json(f"{container.directory}/config.json", spec)
    notices = [
        maps.notice,
        notice,
        network.notice,
        privilege.PRIVILEGED if options.privileged else "",
    ]
    return [each for each in notices if each]


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
    *,
    user: Account,
    network: Choice,
) -> BoxOptions:
    fixed: str | tuple[int, int] = options.fixed_size
    rows, cols = window_size() if isinstance(fixed, str) else fixed
    own = {
        "name": options.name,
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
        "network": network.wish,
    }
    return BoxOptions(
        args=options.command,
        maps=maps,
        hostname=hostname,
        env=options.env,
        env_files=options.env_file,
        cwd=options.workdir,
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
        annotations={state.OPTIONS: json.dumps(own)},
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


def tell(
    container: Container, options: argparse.Namespace, started: dict[str, Any], notices: list[str]
) -> None:
    """Tell a person, not a script, what there is: on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        return
    for notice in notices:
        print(f"ptyd: {notice}", file=sys.stderr)
    if options.listen != "none":
        from ptycli.share import link_to

        link = link_to(container, started["listeners"], "control")
        print(f"ptyd: {options.name} is at {link}", file=sys.stderr)
