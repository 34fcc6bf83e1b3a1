"""Metrics in Prometheus' text format (exposition formats, version 0.0.4), made when asked for.

Nothing is counted for it but what is rare: the rest is what the server knows anyway. Counters that
the server keeps itself begin anew with each server, as Prometheus expects of a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ptywire.release import RELEASE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ptyd.container import Container
    from ptyd.session.session import Session

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_FAMILIES: Final = {
    "ptyd_build_info": ("gauge", "The release of the server."),
    "ptyd_container_info": ("gauge", "The container that is served."),
    "ptyd_server_restarts_total": ("counter", "Servers that were started after the first."),
    "ptyd_connections": ("gauge", "Connections open, those of errands included."),
    "ptyd_output_bytes_total": ("counter", "Bytes that programs of the session printed."),
    "ptyd_dropped_bytes_total": ("counter", "Bytes of it that the journal holds no longer."),
    "ptyd_journal_size_bytes": ("gauge", "The journal on disk, its indexes included."),
    "ptyd_journal_limit_bytes": ("gauge", "Where the oldest of the journal is dropped."),
    "ptyd_journal_full": ("gauge", "1 while the program waits because the disk is full."),
    "ptyd_clients": ("gauge", "Clients attached, by what they may do."),
    "ptyd_client_lag_max_bytes": ("gauge", "How far behind the slowest client is."),
    "ptyd_resyncs_total": ("counter", "Pictures shown to clients that had fallen behind."),
    "ptyd_exits_total": ("counter", "Programs of the session that have ended."),
    "ptyd_running": ("gauge", "1 while the session's program runs."),
    "ptyd_exit_status": ("gauge", "Of the program that ended last, 128 and more for a signal."),
}
"""Every family: its type and what it tells."""


class Sample(NamedTuple):
    """One value of a family."""

    family: str
    value: int
    labels: dict[str, str]


def exposition(container: Container) -> str:
    """Return all metrics of a container."""
    found: dict[str, list[Sample]] = {family: [] for family in _FAMILIES}
    for sample in _samples(container):
        found[sample.family].append(sample)
    lines: list[str] = []
    for family, samples in found.items():
        if samples:
            kind, tells = _FAMILIES[family]
            lines += [f"# HELP {family} {tells}", f"# TYPE {family} {kind}"]
            lines += [_line(sample) for sample in samples]
    return "\n".join(lines)


def _samples(container: Container) -> Iterator[Sample]:
    yield Sample("ptyd_build_info", 1, {"version": RELEASE})
    yield Sample("ptyd_container_info", 1, {"id": container.id, "name": container.name})
    if container.servers:  # an older keeper does not count them
        yield Sample("ptyd_server_restarts_total", container.servers - 1, {})
    yield Sample("ptyd_connections", container.clients, {})
    for _, session in sorted(container.sessions.items()):
        yield from _of_session(session)


def _of_session(session: Session) -> Iterator[Sample]:
    labels = {"session": str(session.number)}
    journal, has_ended = session.journal, session.status is not None
    yield Sample("ptyd_output_bytes_total", journal.end, labels)
    yield Sample("ptyd_dropped_bytes_total", journal.start, labels)
    yield Sample("ptyd_journal_size_bytes", journal.size, labels)
    yield Sample("ptyd_journal_limit_bytes", journal.limit, labels)
    yield Sample("ptyd_journal_full", int(session.full), labels)
    for role, count in session.people.by_role().items():
        yield Sample("ptyd_clients", count, {**labels, "role": role})
    lag = max((journal.end - reader.cursor for reader in session.audience.readers), default=0)
    yield Sample("ptyd_client_lag_max_bytes", max(0, lag), labels)
    yield Sample("ptyd_resyncs_total", session.pictures.resyncs, labels)
    yield Sample("ptyd_exits_total", session.epoch - 1 + has_ended, labels)
    yield Sample("ptyd_running", int(not has_ended), labels)
    if session.status is not None:
        yield Sample("ptyd_exit_status", session.status, labels)


def _line(sample: Sample) -> str:
    labels = ",".join(f'{name}="{_escape(value)}"' for name, value in sample.labels.items())
    return f"{sample.family}{f'{{{labels}}}' if labels else ''} {sample.value}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
