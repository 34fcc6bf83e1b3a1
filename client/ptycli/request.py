"""The command line of ``ptyd run``, checked and completed before anything is made."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

from ptycli import absent, engine, life, mount, privilege
from ptycli.arguments import NAME, Failure, Parser, address_of, is_utf8, labels_of, size_of
from ptycli.limits import add_options, read_options
from ptycli.network import add_options as add_network_options
from ptycli.network import check_options
from ptycli.spec import read_env_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LEAST_LOG: Final = 256 << 10
"""The journal's own least, which is expensive to import."""
_DOES: Final = {
    "run": "Run a program in a box with a terminal server of its own.",
    "create": "As ptyd run -d, to be started by ptyd start.",
}


def parse(arguments: list[str], verb: str = "run") -> argparse.Namespace:
    """Return the checked command line of ``run`` or ``create``; raise Failure with one line."""
    usage = f"ptyd {verb} [OPTIONS] [--] COMMAND [ARG…]"
    parser = Parser(verb, _DOES[verb], usage, own_h=True)
    add = parser.add_argument
    if verb == "run":
        add("-d", "--detach", action="store_true", help="print the id and return")
        _add_attach_options(add)
    else:
        parser.set_defaults(detach=True, known_as=None, detach_keys="")
    add("-i", "--interactive", action="store_true", help="keep stdin open (default)")
    add("-t", "--tty", action="store_true", default=None, help="give the program a terminal")
    add("--no-tty", dest="tty", action="store_false", help="three pipes, stderr apart")
    add("--no-stdin", action="store_true", help="stdin is empty")
    add("--name", metavar="NAME", help="default: two words")
    add("--rm", action="store_true", help="remove the container when it has ended")
    add("-l", "--label", metavar="K=V", action="append", default=[], help="for ptyd ps --filter")
    add("--label-file", metavar="FILE", action="append", default=[], help="a label a line")
    add("--annotation", metavar="K=V", action="append", default=[], help="for the OCI runtime")
    add("--cidfile", metavar="FILE", help="the id goes there; it must not be there yet")
    add("--platform", metavar="OS/ARCH", help="this host's, or it is refused")
    absent.add_options(add)
    add("-e", "--env", metavar="K=V", action="append", default=[], help="K copies ours")
    add("--env-file", metavar="FILE", action="append", default=[])
    add("-w", "--workdir", metavar="DIR", help="default: the home directory, /root")
    add("--image", metavar="oci:DIR[:TAG]", help="an image as its root; default: host")
    add("--entrypoint", metavar="COMMAND", help="instead of the image's, and of its command")
    add("--rootfs", metavar="DIR", help="a folder as its root; what is written is kept apart")
    add(
        "--writable",
        action="store_true",
        help="the host's programs may be changed, for the box alone; with --rootfs: DIR is changed",
    )
    add("-h", "--hostname", metavar="NAME", help="default: the container's name")
    mount.add_options(parser)
    privilege.add_options(parser)
    add("-u", "--user", metavar="USER[:GROUP]", help="a name or number of the box's, default 0")
    add("--group-add", metavar="GROUP", action="append", default=[])
    add("--init", action="store_true", default=None, help="pid 1 is one of ours (default)")
    add("--no-init", dest="init", action="store_false", help="pid 1 is the program")
    engine.add_option(parser)
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
    add("--metrics", action="store_true", help="GET /metrics for all who reach the listener")
    add("--one-driver", action="store_true", help="one types at a time, others ask for the turn")
    life.add_options(add)
    add("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    options = parser.parse_args(arguments)
    if options.command[:1] == ["--"]:
        del options.command[0]
    if options.image == "host":
        options.image = None
    if not options.image and not options.entrypoint and not any(options.command[:1]):
        raise Failure(f"no command: {usage}")
    check(options)
    return options


def _add_attach_options(add: Callable[..., Any]) -> None:
    add("--as", dest="known_as", metavar="NAME", help="what others call us: our user name")
    add("--no-size", action="store_true", help="our window does not count")
    add("--clipboard", action="store_true", help="let the program set our clipboard (OSC 52)")
    add("--detach-keys", metavar="KEYS", default="ctrl-p,ctrl-q", help="'' for none")
    life.add_sig_proxy(add)


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
    if options.image == "" or options.rootfs == "":
        raise Failure("--image and --rootfs want a value")
    if options.image and (options.rootfs or options.writable):
        other = "--rootfs" if options.rootfs else "--writable"
        raise Failure(f"--image and {other} exclude each other: an image's box writes apart")
    if options.writable and options.read_only:
        raise Failure("--writable and --read-only exclude each other")
    life.check_options(options)
    if bool(options.cert) != bool(options.key):
        raise Failure("--cert and --key go together")
    options.log_max = log_size(options.log_max)
    options.labels = labels_of([*label_files(options.label_file), *options.label])
    options.annotations = annotations_of(options.annotation)
    check_platform(options.platform)
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
    engine.check_option(options)
    check_options(options)


def label_files(paths: Sequence[str]) -> list[str]:
    """Return what the files of ``--label-file`` say: as those of variables, a label a line."""
    try:
        return [line for path in paths for line in read_env_file(path)]
    except (OSError, ValueError) as error:
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise Failure(f"--label-file: {why}") from None


def annotations_of(texts: Sequence[str]) -> dict[str, str]:
    annotations = labels_of(texts, "--annotation")
    if own := [key for key in annotations if key.startswith("org.ptyd.")]:
        raise Failure(f"--annotation {own[0]}: that is ptyd's own")
    return annotations


def check_platform(text: str | None) -> None:
    """Raise Failure for a platform that is not ours: nothing is emulated."""
    if text:
        from ptycli.image.layout import own_platform  # for who asks

        own = own_platform()
        if text not in (own, own.partition("/")[0]):
            raise Failure(f"--platform {text}: this host is {own}")


def log_size(text: str) -> int:
    """Return the bytes of ``--log-max``."""
    size = size_of(text)
    if size < LEAST_LOG:
        raise Failure(f"--log-max {text}: at least {LEAST_LOG >> 10}k are kept")
    return size


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
    if host in ("localhost", "127.0.0.1"):
        return True
    import ipaddress  # for all but what is usual

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
