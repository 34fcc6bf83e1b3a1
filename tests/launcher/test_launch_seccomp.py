"""Seccomp policies: the program answers each call as the policy says, in plain words."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpf_machine import Call, run_filter
from ptylaunch import abi, bpf, policy
from ptylaunch.errors import LaunchFailed
from ptylaunch.policy import Policy, read_policy
from ptylaunch.seccomp import compile_policy

FAMILY = (abi.X86_64, abi.X86, abi.X32)
NAMES = sorted(abi.numbers(abi.X86_64).keys() | abi.numbers(abi.X86).keys() | {"teleport"})
ALLOW, KILL = policy.ALLOW, policy.KILL_PROCESS
NO, NEWER = policy.ERRNO | errno.EPERM, policy.ERRNO | errno.ENOSYS
COMPARE = {
    "SCMP_CMP_NE": lambda a, v, _: a != v,
    "SCMP_CMP_LT": lambda a, v, _: a < v,
    "SCMP_CMP_LE": lambda a, v, _: a <= v,
    "SCMP_CMP_EQ": lambda a, v, _: a == v,
    "SCMP_CMP_GE": lambda a, v, _: a >= v,
    "SCMP_CMP_GT": lambda a, v, _: a > v,
    "SCMP_CMP_MASKED_EQ": lambda a, v, w: a & v == w & v,
}


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests are about x86_64 with its two siblings, wherever they run."""
    monkeypatch.setattr(policy, "own_family", lambda: FAMILY)


def read(seccomp: dict[str, Any]) -> Policy:
    found = read_policy({"seccomp": seccomp})
    assert found is not None
    return found


def compiled(seccomp: dict[str, Any]) -> bytes:
    return compile_policy(read(seccomp)).program


def answer(seccomp: dict[str, Any], name: str, *args: int, way: abi.Abi = abi.X86_64) -> int:
    padded = (*args, *(0,) * (6 - len(args)))
    return run_filter(compiled(seccomp), Call(abi.numbers(way)[name], way.audit, padded))


def expected(seccomp: dict[str, Any], way: abi.Abi, number: int, args: tuple[int, ...]) -> int:
    """What the policy says in plain words, from its JSON."""
    if way is not abi.X86_64 and f"SCMP_ARCH_{way.name}" not in seccomp["architectures"]:
        return KILL
    if way is abi.X86:
        args = tuple(arg & 0xFFFFFFFF for arg in args)  # the kernel does not look at more
    table = abi.numbers(way)
    default = value_of(seccomp["defaultAction"], seccomp.get("defaultErrnoRet", 1))
    mentioned = [table[n] for e in seccomp["syscalls"] for n in e["names"] if n in table]
    matching = [
        value_of(entry["action"], entry.get("errnoRet", 1))
        for entry in seccomp["syscalls"]
        if number in [table.get(name) for name in entry["names"]] and holds(entry["args"], args)
    ]
    if matching:
        return min(matching, key=policy.strictness)
    if mentioned and number > max(mentioned) and default & 0xFFFF0000 not in LENIENT:
        return NEWER
    return default


LENIENT = (policy.ALLOW, policy.LOG, policy.TRACE)


def value_of(action: str, data: int) -> int:
    value = policy.ACTIONS[action]
    return value | data if value in (policy.ERRNO, policy.TRACE) else value


def holds(conditions: list[dict[str, Any]], args: tuple[int, ...]) -> bool:
    each = [COMPARE[c["op"]](args[c["index"]], c["value"], c["valueTwo"]) for c in conditions]
    twice = len({c["index"] for c in conditions}) < len(conditions)
    return any(each) if twice else all(each)


WORDS = st.one_of(
    st.integers(0, 3), st.integers(0, (1 << 64) - 1), st.sampled_from([0x5412, 1 << 32, 1 << 63])
) | st.integers(0, 2).map(lambda n: (1 << 32) - 1 + n)
CONDITIONS = st.fixed_dictionaries(
    {
        "index": st.integers(0, 5),
        "value": WORDS,
        "valueTwo": WORDS,
        "op": st.sampled_from([*COMPARE]),
    }
)
ACTIONS = st.sampled_from([*policy.ACTIONS])
POLICIES = st.fixed_dictionaries(
    {
        "defaultAction": ACTIONS,
        "defaultErrnoRet": st.integers(0, 4095),
        "architectures": st.lists(st.sampled_from([f"SCMP_ARCH_{w.name}" for w in FAMILY])),
        "syscalls": st.lists(
            st.fixed_dictionaries(
                {
                    "names": st.lists(st.sampled_from(NAMES), min_size=1, max_size=90),
                    "action": ACTIONS,
                    "errnoRet": st.integers(0, 4095),
                    "args": st.lists(CONDITIONS, max_size=3),
                }
            ),
            max_size=12,
        ),
    }
)


@given(POLICIES, st.data())
def test_program_says_what_the_policy_says(seccomp: dict[str, Any], data: st.DataObject) -> None:
    """For any policy, way to call, number and arguments, those of its conditions above all."""
    program = compiled(seccomp)
    values = [c["value"] for e in seccomp["syscalls"] for c in e["args"]] or [0]
    mentioned = [name for entry in seccomp["syscalls"] for name in entry["names"]] or NAMES
    near = st.sampled_from(values).flatmap(
        lambda v: st.sampled_from([v, v ^ 1, v ^ 1 << 32, v + 1 & (1 << 64) - 1])
    )
    for _ in range(20):
        way = data.draw(st.sampled_from(FAMILY))
        table = abi.numbers(way)
        names = st.sampled_from(mentioned).map(lambda name, t=table, w=way: t.get(name, w.base))
        number = data.draw(names | st.integers(0, 600).map(lambda n, w=way: n + w.base))
        args = data.draw(st.tuples(*[WORDS | near] * 6))

        assert run_filter(program, Call(number, way.audit, args)) == expected(
            seccomp, way, number, args
        )


def test_other_ways_to_call_the_kernel_are_death() -> None:
    """A deny list would be passed by otherwise: int 0x80, and x32's bit."""
    deny = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_MIPS"]}

    assert answer(deny, "read") == ALLOW
    assert answer(deny, "read", way=abi.X86) == KILL
    assert answer(deny, "read", way=abi.X32) == KILL
    assert run_filter(compiled(deny), Call(0, abi.AARCH64.audit)) == KILL


def test_tracer_may_cancel_a_call() -> None:
    """ptrace(2) does so by the number -1, which is no call of x32."""
    some = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [allow("read")]}

    assert run_filter(compiled(some), Call(0xFFFFFFFF, abi.X86_64.audit)) == NEWER


def test_calls_newer_than_the_policy_do_not_exist() -> None:
    """C libraries fall back at ENOSYS; what the policy could have named gets its default."""
    some = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [allow("read", "openat2")]}

    assert answer(some, "mount") == NO
    assert answer(some, "faccessat2") == NEWER
    assert answer({**some, "defaultAction": "SCMP_ACT_LOG"}, "faccessat2") == policy.LOG


def test_high_half_of_an_argument_cannot_pass_a_mask_by() -> None:
    """TIOCSTI with a bit above the 32 that the kernel looks at (CVE-2023-28100)."""
    masked = {"index": 1, "op": "SCMP_CMP_MASKED_EQ", "value": 0xFFFFFFFF, "valueTwo": 0x5412}
    entry = {"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "args": [masked]}
    some = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [entry]}

    for high in (0, 1, 1 << 31, 0xFFFFFFFF):
        assert answer(some, "ioctl", 0, high << 32 | 0x5412) == NO
    assert answer(some, "ioctl", 0, 0x5413) == ALLOW


def test_high_halves_do_not_count_for_32_bit_calls() -> None:
    """The kernel ignores what a 64-bit program leaves in them at int 0x80."""
    call = {"index": 0, "op": "SCMP_CMP_NE", "value": 1}
    some = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86"],
        "syscalls": [{"names": ["socketcall"], "action": "SCMP_ACT_ALLOW", "args": [call]}],
    }

    assert answer(some, "socketcall", 1, way=abi.X86) == NO
    assert answer(some, "socketcall", 1 << 32 | 1, way=abi.X86) == NO
    assert answer(some, "socketcall", 2, way=abi.X86) == ALLOW


def test_strictest_rule_counts_wherever_it_stands() -> None:
    """An allowed call with a forbidden argument is forbidden; so is one listed as both."""
    one = {"index": 0, "op": "SCMP_CMP_EQ", "value": 1}
    rules = [allow("dup"), {"names": ["dup"], "action": "SCMP_ACT_KILL_PROCESS", "args": [one]}]
    for order in (rules, rules[::-1]):
        some = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": order}

        assert answer(some, "dup", 1) == KILL
        assert answer(some, "dup", 2) == ALLOW


def test_rule_for_every_call_still_fits() -> None:
    """Jumps beyond 255 instructions; another condition on each call."""
    entries = [
        {"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": 7, "args": [above(index)]}
        for index, name in enumerate(abi.numbers(abi.X86_64))
    ]
    some = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": entries}
    program = compiled(some)

    assert 2000 < bpf.length(program) <= bpf.MAX_INSTRUCTIONS
    for index, name in enumerate(abi.numbers(abi.X86_64)):
        call = Call(abi.numbers(abi.X86_64)[name], abi.X86_64.audit)
        over, at = ((0,) * 5 + ((1 << 40) + index + more,) for more in (1, 0))

        assert run_filter(program, call._replace(args=over)) == policy.ERRNO | 7
        assert run_filter(program, call._replace(args=at)) == NO


def test_policy_that_does_not_fit_is_refused() -> None:
    """With both numbers, and not by the kernel's EINVAL."""
    conditions = [
        {"index": n % 6, "op": "SCMP_CMP_EQ", "value": n} for n in range(3000)
    ]  # fmt: skip
    entry = {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": conditions}

    with pytest.raises(LaunchFailed, match="4096 fit"):
        compiled({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [entry]})


def above(index: int) -> dict[str, Any]:
    return {"index": 5, "op": "SCMP_CMP_GT", "value": (1 << 40) + index}


def allow(*names: str) -> dict[str, Any]:
    return {"names": [*names], "action": "SCMP_ACT_ALLOW", "args": []}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "SCMP_ACT_NOTIFY is not supported"),
        ({"defaultAction": "SCMP_ACT_SING"}, "there is no 'SCMP_ACT_SING'"),
        ({"defaultAction": None}, "defaultAction must be a string"),
        ({"defaultErrnoRet": 4096}, "defaultErrnoRet is too large"),
        ({"listenerPath": "/run/x"}, "listenerPath is not supported"),
        ({"flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}, "WAIT_KILLABLE_RECV"),
        ({"architectures": ["SCMP_ARCH_Z80"]}, "'SCMP_ARCH_Z80'"),
        ({"syscalls": [{"names": [], "action": "SCMP_ACT_ALLOW"}]}, "syscalls[0].names"),
        ({"syscalls": [{"names": ["x"], "action": "SCMP_ACT_NOTIFY"}]}, "syscalls[0].action"),
        ({"syscalls": [{**allow("x"), "args": [{"index": 6}]}]}, "args[0].index"),
        ({"syscalls": [{**allow("x"), "args": [{"index": 0, "op": "="}]}]}, "args[0].op"),
        (
            {
                "syscalls": [
                    {
                        **allow("x"),
                        "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 1 << 64}],
                    }
                ]
            },
            "64 bits",
        ),
    ],
)
def test_bad_policy_is_refused_with_its_place(change: dict[str, Any], words: str) -> None:
    """What is not done is refused by name."""
    with pytest.raises(LaunchFailed) as caught:
        read({"defaultAction": "SCMP_ACT_ERRNO", **change})

    assert "linux.seccomp" in str(caught.value)
    assert words in str(caught.value)


def test_machine_without_a_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that is silently absent is worse than an error."""
    monkeypatch.setattr(policy, "own_family", lambda: ())

    with pytest.raises(LaunchFailed, match="no table of system calls"):
        read({"defaultAction": "SCMP_ACT_ERRNO"})
