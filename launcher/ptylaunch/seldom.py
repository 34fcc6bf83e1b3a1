"""Limits that few ask for: huge pages, block devices, RDMA, classes of packets, v2's own files.

Loaded only when a spec has one of them. What each means is written down for both versions of
cgroups when it is read; ``allotment`` writes what fits the host.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ptylaunch.plan import Seldom
from ptylaunch.value import as_dict, bad, dict_at, int_at, list_at, str_at

_WHERE: Final = "linux.resources"
_PAGE: Final = re.compile(r"[1-9][0-9]*(KB|MB|GB)")
_OWN_OF_V2: Final = ("cgroup.max.depth", "cgroup.max.descendants")
_UNIFIED: Final = re.compile(r"[a-z0-9]+\.[A-Za-z0-9_.]+")
_THROTTLES: Final = {
    "throttleReadBpsDevice": ("read_bps", "rbps"),
    "throttleWriteBpsDevice": ("write_bps", "wbps"),
    "throttleReadIOPSDevice": ("read_iops", "riops"),
    "throttleWriteIOPSDevice": ("write_iops", "wiops"),
}
_DEVICE: Final = ("major", "minor")


def read_seldom(fields: dict[str, Any]) -> tuple[Seldom, ...]:
    """Return what ``linux.resources`` asks for of these; LaunchFailed("spec", …)."""
    return (
        *_huge_pages(fields),
        *_block_io(dict_at(fields, "blockIO", f"{_WHERE}.blockIO")),
        *_network(dict_at(fields, "network", f"{_WHERE}.network")),
        *_rdma(dict_at(fields, "rdma", f"{_WHERE}.rdma")),
        *_unified(dict_at(fields, "unified", f"{_WHERE}.unified")),
    )


def _huge_pages(fields: dict[str, Any]) -> list[Seldom]:
    found: list[Seldom] = []
    for index, entry in enumerate(list_at(fields, "hugepageLimits", f"{_WHERE}.hugepageLimits")):
        where = f"{_WHERE}.hugepageLimits[{index}]"
        limit = as_dict(entry, where)
        size = str_at(limit, "pageSize", f"{where}.pageSize")
        if not _PAGE.fullmatch(size):
            raise bad(f"{where}.pageSize {size!r} is no size such as 2MB")
        value = str(int_at(limit, "limit", f"{where}.limit"))
        for kind, optional in (("", False), (".rsvd", True)):  # the other since Linux 5.7
            name = f"hugetlb.{size}{kind}"
            v1, v2 = (f"{name}.limit_in_bytes", value), (f"{name}.max", value)
            found.append(Seldom("hugetlb", (v1,), (v2,), optional=optional))
    return found


def _block_io(fields: dict[str, Any]) -> list[Seldom]:
    where = f"{_WHERE}.blockIO"
    _know(fields, where, "weight", "leafWeight", "weightDevice", *_THROTTLES)
    found: list[Seldom] = []
    if weight := _weight(fields, "weight", where):
        found.append(_weights(weight))
    if leaf := _weight(fields, "leafWeight", where):
        found.append(Seldom("blkio", (("blkio.leaf_weight", str(leaf)),), ()))
    for index, entry in enumerate(list_at(fields, "weightDevice", f"{where}.weightDevice")):
        place = f"{where}.weightDevice[{index}]"
        device = as_dict(entry, place)
        _know(device, place, *_DEVICE, "weight", "leafWeight")
        numbers = _numbers(device, place)
        if weight := _weight(device, "weight", place):
            found.append(_weights(weight, numbers + " "))
        if leaf := _weight(device, "leafWeight", place):
            leaf_line = ("blkio.leaf_weight_device", f"{numbers} {leaf}")
            found.append(Seldom("blkio", (leaf_line,), ()))
    for key, (old, new) in _THROTTLES.items():
        for index, entry in enumerate(list_at(fields, key, f"{where}.{key}")):
            place = f"{where}.{key}[{index}]"
            device = as_dict(entry, place)
            _know(device, place, *_DEVICE, "rate")
            numbers = _numbers(device, place)
            rate = int_at(device, "rate", f"{place}.rate")
            v1 = (f"blkio.throttle.{old}_device", f"{numbers} {rate}")
            v2 = ("io.max", f"{numbers} {new}={rate or 'max'}")
            found.append(Seldom("blkio", (v1,), (v2,)))
    return found


def _weights(weight: int, device: str = "") -> Seldom:
    """Only one of v1's files is there, by the scheduler of the kernel; v2's scale differs."""
    kind = "_device" if device else ""
    v1 = tuple((f"blkio.{name}{kind}", f"{device}{weight}") for name in ("weight", "bfq.weight"))
    wide = 1 + (weight - 10) * 9999 // 990  # 10 to 1000 becomes 1 to 10000, as runc and crun do
    v2 = (("io.bfq.weight", f"{device}{weight}"), ("io.weight", f"{device or 'default '}{wide}"))
    return Seldom("blkio", v1, v2)


def _weight(fields: dict[str, Any], key: str, where: str) -> int:
    weight: int = int_at(fields, key, f"{where}.{key}", 0)
    if weight and not 10 <= weight <= 1000:
        raise bad(f"{where}.{key} must be a number from 10 to 1000")
    return weight


def _numbers(device: dict[str, Any], where: str) -> str:
    return ":".join(str(int_at(device, key, f"{where}.{key}")) for key in _DEVICE)


def _network(fields: dict[str, Any]) -> list[Seldom]:
    where = f"{_WHERE}.network"
    _know(fields, where, "classID", "priorities")
    found: list[Seldom] = []
    if number := int_at(fields, "classID", f"{where}.classID", 0):
        if number >= 1 << 32:
            raise bad(f"{where}.classID must be less than 4294967296")
        found.append(Seldom("net_cls", (("net_cls.classid", str(number)),), ()))
    for index, entry in enumerate(list_at(fields, "priorities", f"{where}.priorities")):
        place = f"{where}.priorities[{index}]"
        interface = as_dict(entry, place)
        name = str_at(interface, "name", f"{place}.name")
        if " " in name or "\n" in name:
            raise bad(f"{place}.name is no interface's")
        priority = int_at(interface, "priority", f"{place}.priority")
        found.append(Seldom("net_prio", (("net_prio.ifpriomap", f"{name} {priority}"),), ()))
    return found


def _rdma(fields: dict[str, Any]) -> list[Seldom]:
    found: list[Seldom] = []
    for name, entry in fields.items():
        where = f"{_WHERE}.rdma.{name}"
        limits = as_dict(entry, where)
        _know(limits, where, "hcaHandles", "hcaObjects")
        words = [
            f"{word}={int_at(limits, key, f'{where}.{key}')}"
            for key, word in (("hcaHandles", "hca_handle"), ("hcaObjects", "hca_object"))
            if limits.get(key) is not None
        ]
        if not words or any(sign in name for sign in " \n\0"):
            raise bad(f"{where} must name a device and a limit")
        line = ("rdma.max", " ".join((name, *words)))
        found.append(Seldom("rdma", (line,), (line,)))
    return found


def _unified(fields: dict[str, Any]) -> list[Seldom]:
    """Files of v2 as they are, but for those that say who is in it and what becomes of them."""
    found: list[Seldom] = []
    for name, value in fields.items():
        where = f"{_WHERE}.unified"
        controller = name.partition(".")[0]
        if not _UNIFIED.fullmatch(name) or (controller == "cgroup" and name not in _OWN_OF_V2):
            raise bad(f"{where}: {name!r} is not supported")
        if not isinstance(value, str) or "\0" in value:
            raise bad(f"{where}.{name} must be a string")
        found.append(Seldom(controller, (), ((name, value),)))
    return found


def _know(fields: dict[str, Any], where: str, *known: str) -> None:
    if unknown := {key for key, value in fields.items() if value} - set(known):
        raise bad(f"{where}.{min(unknown)} is not supported")
