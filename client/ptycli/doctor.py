"""``ptyd doctor``: what this host allows, and what to install or to switch on; a line each."""

from __future__ import annotations

import json

from ptycli.arguments import Parser
from ptycli.probe import Finding, Status, run_probe
from ptycli.probe_host import HOST_PROBES
from ptycli.probe_kernel import KERNEL_PROBES
from ptycli.probe_network import NETWORK_PROBES

USAGE = "ptyd doctor [--format text|json]"


def main(arguments: list[str]) -> int:
    parser = Parser("doctor", "Try what boxes are made of, and say what is missing.", USAGE)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options = parser.parse_args(arguments)
    probes = (*KERNEL_PROBES, *HOST_PROBES, *NETWORK_PROBES)
    findings = [run_probe(probe) for probe in probes]
    well = not any(lacking(finding) for finding in findings)
    if options.format == "json":
        print(json.dumps({"ok": well, "probes": [as_json(one) for one in findings]}, indent=2))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            print(f"{finding.status.value:8} {finding.name:{width}}  {finding.text}".rstrip())
    return 0 if well else 1


def lacking(finding: Finding) -> bool:
    """Tell whether no box can do without what is missing."""
    return finding.needed and finding.status is Status.MISSING


def as_json(finding: Finding) -> dict[str, str | bool]:
    return {
        "name": finding.name,
        "status": finding.status.value,
        "needed": finding.needed,
        "detail": finding.detail,
        "advice": finding.advice,
    }
