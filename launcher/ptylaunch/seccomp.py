"""Compiles a seccomp policy to a program of classic BPF.

The numbers of an ABI are cut into stretches with the same answer, which a balanced tree of jumps
tells apart: most of the allowed calls lie side by side, so a usual policy has some hundred
stretches, seven jumps deep. The arguments are looked at only where a rule asks for them.
"""

from __future__ import annotations

import errno
from typing import Final, NamedTuple

from ptylaunch import bpf
from ptylaunch.abi import X32, X86_64, Abi, numbers
from ptylaunch.errors import LaunchFailed
from ptylaunch.plan import Filter
from ptylaunch.policy import ALLOW, ERRNO, KILL_PROCESS, LOG, TRACE, Condition, Policy, Rule

# Offsets in struct seccomp_data (linux/seccomp.h); the low word comes first on all of our ABIs.
_NUMBER: Final = 0
_ARCH: Final = 4
_ARGS: Final = 16

_ARM_PRIVATE: Final = 0x0F0000
"""Where the calls begin that only ARM has (__ARM_NR_BASE in asm/unistd.h)."""

_AUDIT_64BIT: Final = 0x80000000  # __AUDIT_ARCH_64BIT of linux/audit.h
_WORD: Final = 0xFFFFFFFF
_OPPOSITES: Final = {"NE": "EQ", "LT": "GE", "LE": "GT"}
_LENIENT: Final = (ALLOW, LOG, TRACE)


class _Stretch(NamedTuple):
    """From call ``start`` up to the next stretch the answer is that of ``rules``."""

    start: int
    rules: tuple[Rule, ...]


def compile_policy(policy: Policy) -> Filter:
    """Return the program; LaunchFailed("seccomp", E2BIG) when the kernel would not take it."""
    program = _Compiler(policy).program()
    if bpf.length(program) > bpf.MAX_INSTRUCTIONS:
        detail = f"the policy needs {bpf.length(program)} instructions, {bpf.MAX_INSTRUCTIONS} fit"
        raise LaunchFailed("seccomp", errno.E2BIG, detail)
    return Filter(program, policy.flags)


def newer_action(policy: Policy) -> int:
    """Return the answer to calls that are newer than the policy.

    C libraries try new calls first and fall back when they are told ENOSYS, not EPERM (so does
    runc). A policy that allows by default means the calls of the future as well.
    """
    if policy.default & 0xFFFF0000 in _LENIENT:
        return policy.default
    return ERRNO | errno.ENOSYS


def _stretches(policy: Policy, abis: list[Abi]) -> list[_Stretch]:
    """Return what the calls of one audit architecture get, in the order of their numbers."""
    default, newer = (Rule(policy.default),), (Rule(newer_action(policy)),)
    stretches: list[_Stretch] = []
    if X86_64 in abis and X32 not in abis:  # one audit architecture for both, told by a bit
        stretches += [_Stretch(X32.base, (Rule(KILL_PROCESS),)), _Stretch(2 * X32.base, newer)]
    for abi in abis:
        table = numbers(abi)
        known = {table[name]: rules for name, rules in policy.rules.items() if name in table}
        stretches.append(_Stretch(abi.base, default))
        stretches += [_Stretch(number, rules) for number, rules in known.items()]
        stretches += [_Stretch(number + 1, default) for number in known if number + 1 not in known]
        public = [number for number in known if number - abi.base < _ARM_PRIVATE]
        if public:
            stretches.append(_Stretch(max(public) + 1, newer))
    by_start = {stretch.start: stretch for stretch in stretches}  # later ones replace earlier ones
    merged: list[_Stretch] = []
    for _, stretch in sorted(by_start.items()):
        if not merged or merged[-1].rules != stretch.rules:
            merged.append(stretch)
    return merged


class _Compiler:
    """Writes one program, from its end (see :mod:`ptylaunch.bpf`): a method returns a label."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._code = bpf.Assembler()
        self._answers: dict[tuple[Rule, ...], int] = {}
        self._wide = True

    def program(self) -> bytes:
        code, abis = self._code, self._policy.abis
        start = code.ret(KILL_PROCESS)  # for ways to call the kernel that the policy does not name
        for audit in dict.fromkeys(abi.audit for abi in reversed(abis)):
            self._wide = bool(audit & _AUDIT_64BIT)
            self._answers.clear()
            stretches = _stretches(self._policy, [abi for abi in abis if abi.audit == audit])
            tree = code.load(_NUMBER, self._tree(stretches))
            start = code.jump(bpf.JMP_JEQ_K, audit, tree, start)
        code.load(_ARCH, start)
        return code.pack()

    def _tree(self, stretches: list[_Stretch]) -> int:
        """Put a search for the number that is loaded."""
        if len(stretches) == 1:
            return self._answer(stretches[0].rules)
        middle = len(stretches) // 2
        upper = self._tree(stretches[middle:])
        lower = self._tree(stretches[:middle])
        return self._code.jump(bpf.JMP_JGE_K, stretches[middle].start, upper, lower)

    def _answer(self, rules: tuple[Rule, ...]) -> int:
        """Put one rule after the other; the default follows the last."""
        if not rules[0].conditions:
            return self._code.ret(rules[0].action)
        if rules not in self._answers:
            label = -1
            for rule in reversed(rules):
                if not rule.conditions:
                    label = self._code.ret(rule.action)
                    continue
                otherwise = self._code.ret(self._policy.default) if label < 0 else label
                label = self._code.ret(rule.action)
                for condition in reversed(rule.conditions):
                    label = self._condition(condition, label, otherwise)
            self._answers[rules] = label
        return self._answers[rules]

    def _condition(self, condition: Condition, yes: int, no: int) -> int:
        """Put a comparison of 64 bits: the high word decides, unless it is equal.

        32-bit ABIs have no high words. The kernel leaves whatever a 64-bit program has in them when
        it calls by such an ABI (``int 0x80``), but does not look at them; so must we.
        """
        code = self._code
        low, high = condition.value & _WORD, condition.value >> 32
        operator = condition.operator.removeprefix("SCMP_CMP_")
        if operator in _OPPOSITES:
            operator, yes, no = _OPPOSITES[operator], no, yes
        offset = _ARGS + 8 * condition.argument
        if high and not self._wide:
            return no  # too large to be equal, or below
        if operator in ("GE", "GT"):
            last = bpf.JMP_JGE_K if operator == "GE" else bpf.JMP_JGT_K
            label = code.load(offset, code.jump(last, low, yes, no))
            if not self._wide:
                return label
            label = code.jump(bpf.JMP_JEQ_K, high, label, no)
            return code.load(offset + 4, code.jump(bpf.JMP_JGT_K, high, yes, label))
        yes = self._equal(offset, low, condition.mask & _WORD, yes, no)
        if self._wide:
            yes = self._equal(offset + 4, high, condition.mask >> 32, yes, no)
        return yes

    def _equal(self, offset: int, value: int, mask: int, yes: int, no: int) -> int:
        """Put a comparison of one word."""
        if not mask:
            return yes
        label = self._code.jump(bpf.JMP_JEQ_K, value, yes, no)
        if mask != _WORD:
            label = self._code.mask(mask, label)
        return self._code.load(offset, label)
