"""What ``ptyd inspect`` says of a container: docker's fields, and ours beside them."""

from __future__ import annotations

import datetime as dt
import signal
from typing import TYPE_CHECKING, Any

from ptycli.arguments import Failure
from ptycli.engine import NATIVE
from ptycli.journal import load
from ptycli.row import network_mode
from ptycli.template.value import Map

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ptycli.container import Container


def describe(container: Container) -> dict[str, Any]:
    """Return docker's fields where the meaning is docker's, and our own.

    ``Intake`` and ``ServerPid`` are null while no server has said that it serves, ``Damage`` is
    null unless bytes of the journal are missing.
    """
    fields = container.read_state()
    try:
        spec, options = container.spec, container.options
    except (OSError, ValueError, KeyError):
        raise Failure(f"{container.id[:12]} is half made: ptyd rm {container.id[:12]}") from None
    asked: dict[str, Any] = options.get("network") or {}
    network: dict[str, Any] = (fields.get("network") or {}) if fields["status"] != "exited" else {}
    process = spec["process"]
    running = fields["status"] in ("running", "paused")
    return {
        "Id": container.id,
        "Name": fields["name"],
        "Created": _time(fields.get("created")),
        "Path": process["args"][0],
        "Args": process["args"][1:],
        "State": {
            "Status": fields["status"],
            "Running": running,
            "Paused": fields["status"] == "paused",
            "Restarting": fields["status"] == "restarting",
            "Dead": False,
            "Pid": fields.get("pid") if running else 0,
            "InitPid": fields.get("init_pid") if running else 0,
            "ExitCode": fields.get("exit_status"),
            "OOMKilled": fields.get("oom_killed", False),
            "StartedAt": _time(fields.get("started")),
            "FinishedAt": _time(fields.get("finished")),
            "Sessions": _sessions(fields, process),
        },
        "RestartCount": fields.get("restarts", 0),
        "KeeperPid": container.keeper_pid,
        "ServerPid": fields.get("server_pid"),
        "Intake": fields.get("intake"),
        "Damage": _damage(container),
        "Listeners": fields.get("listeners", []),
        "Network": fields.get("network"),
        "Config": {
            "Image": options.get("image", "host"),
            "Hostname": spec["hostname"],
            "Tty": process["terminal"],
            "OpenStdin": options["stdin"],
            "Cmd": process["args"],
            "User": _user(process),
            "Labels": Map(options.get("labels", {})),
            "Env": process["env"],
            "WorkingDir": process["cwd"],
            "StopSignal": options.get("stop_signal", signal.SIGTERM),
            "AutoRemove": options["rm"],
            "LogMax": options["log_max"],
        },
        "HostConfig": {
            "NetworkMode": network_mode(fields, spec),
            "PortBindings": _ports(asked.get("ports", ())),
            "AutoRemove": options["rm"],
            "RestartPolicy": _restart_policy(options),
            "ReadonlyRootfs": spec["root"]["readonly"],
            "Runtime": options.get("runtime") or NATIVE,
            **_limits(spec["linux"].get("resources", {})),
        },
        "NetworkSettings": {
            "IPAddress": network.get("address", ""),
            "Ports": _ports(network.get("ports", ())),
        },
        "Cgroup": fields.get("cgroup"),
        "Paths": {
            "Directory": container.directory,
            "Config": f"{container.directory}/config.json",
            "State": f"{container.directory}/state.json",
            "Journal": f"{container.directory}/sessions/0/journal",
            "Control": container.control,
            "KeeperLog": f"{container.directory}/keeper.log",
            "ServerLog": f"{container.directory}/server.log",
        },
        "Mounts": [
            {
                "Type": mount["type"],
                "Source": mount["source"],
                "Destination": mount["destination"],
                "RW": "ro" not in mount["options"],
            }
            for mount in spec["mounts"]
            if mount["type"] == "bind"
        ],
    }


def _restart_policy(options: dict[str, Any]) -> dict[str, Any]:
    policy = options.get("restart") or {"name": "no", "most": 0}
    return {"Name": policy["name"], "MaximumRetryCount": policy["most"]}


def _user(process: dict[str, Any]) -> str:
    user = process["user"]
    return f"{user['uid']}:{user['gid']}" if user["uid"] or user["gid"] else ""


def _ports(ports: Iterable[dict[str, Any]]) -> Map:
    """Return docker's map: ``80/tcp`` to where of the host it is."""
    found = Map()
    for port in ports:
        place = {"HostIp": port["host"], "HostPort": str(port["port"])}
        found.setdefault(f"{port['inside']}/{port['protocol']}", []).append(place)
    return found


def _sessions(fields: dict[str, Any], process: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the container's own program as session 0, and what exec started beside it."""
    own = {**fields, "args": process["args"], "tty": process["terminal"]}
    execs: dict[str, dict[str, Any]] = fields.get("sessions", {})
    over = fields["status"] == "exited"
    return [
        {
            "Session": f"{fields['name']}/{number}",
            "Args": session["args"],
            "User": session.get("user", ""),
            "Tty": session["tty"],
            "Running": "finished" not in session and not over,
            "Pid": 0 if over else session.get("pid") or 0,
            "ExitCode": session.get("exit_status"),
            "StartedAt": _time(session.get("started")),
            "FinishedAt": _time(session.get("finished")),
        }
        for number, session in [("0", own), *execs.items()]
    ]


def _damage(container: Container) -> str | None:
    """Return what is missing in the journal, None when it is whole or not there yet."""
    try:
        return load(f"{container.directory}/sessions/0/journal").damage or None
    except FileNotFoundError:
        return None


def _limits(resources: dict[str, Any]) -> dict[str, Any]:
    """Return docker's fields, 0 or empty for what is not limited."""
    memory, cpu = resources.get("memory", {}), resources.get("cpu", {})
    return {
        "Memory": memory.get("limit", 0),
        "MemorySwap": memory.get("swap", 0),
        "MemoryReservation": memory.get("reservation", 0),
        "NanoCpus": max(0, cpu.get("quota", 0)) * 10**9 // cpu.get("period", 1),
        "CpuShares": cpu.get("shares", 0),
        "CpusetCpus": cpu.get("cpus", ""),
        "CpusetMems": cpu.get("mems", ""),
        "PidsLimit": max(0, resources.get("pids", {}).get("limit", 0)),
    }


def _time(moment: float | None) -> str | None:
    if moment is None:
        return None
    return dt.datetime.fromtimestamp(moment, dt.UTC).isoformat()
