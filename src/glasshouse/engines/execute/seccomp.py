"""The system-call filter of a sandbox, as a classic BPF program.

A list of what is refused, not of what is allowed: machine-learning programs use most of Linux. Refused
is what reaches beyond the sandbox's namespaces or has been a way out of them: other namespaces, mounts,
kernel keys, BPF, tracing, modules, io_uring, sockets of families no namespace confines (vsock reaches
the hypervisor), and input forged into a terminal. Numbers are those of the kernel's own tables
(arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h).
"""

from __future__ import annotations

import errno
import struct

_LOAD, _JUMP_EQ, _JUMP_GE, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020080
"""CLONE_NEWTIME|NEWNS|NEWCGROUP|NEWUTS|NEWIPC|NEWUSER|NEWPID|NEWNET."""
_CLONE_NAMESPACES = _NEW_NAMESPACES & ~0xFF
"""clone() keeps the exit signal in the lowest byte, and has no NEWTIME."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_DENIED: dict[str, tuple[int | None, int | None]] = {
    # name: (x86_64, aarch64)
    "ptrace": (101, 117),
    "syslog": (103, 116),
    "pivot_root": (155, 41),
    "adjtimex": (159, 171),
    "chroot": (161, 51),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "mount": (165, 40),
    "umount2": (166, 39),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "quotactl": (179, 60),
    "lookup_dcookie": (212, 18),
    "clock_settime": (227, 112),
    "kexec_load": (246, 104),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "move_pages": (279, 239),
    "perf_event_open": (298, 241),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "clock_adjtime": (305, 266),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "finit_module": (313, 273),
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "pidfd_getfd": (438, 438),
    "mount_setattr": (442, 442),
    "quotactl_fd": (443, 443),
}
_ABSENT: dict[str, tuple[int | None, int | None]] = {
    # answered as if the kernel had none, so that libraries take their older way
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "clone3": (435, 435),  # its flags lie behind a pointer, out of a filter's sight
}
_CLONE = {"x86_64": 56, "aarch64": 220}
_UNSHARE = {"x86_64": 272, "aarch64": 97}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_IOCTL = {"x86_64": 16, "aarch64": 29}


def program(machine: str) -> bytes:
    """The filter for a machine as os.uname() names it. Raises KeyError for one we have no numbers of."""
    arch = AUDIT_ARCH[machine]
    column = list(AUDIT_ARCH).index(machine)
    code = [_op(_LOAD, _ARCH), _op(_JUMP_EQ, arch, 1, 0), _op(_RETURN, _KILL_PROCESS), _op(_LOAD, _NUMBER)]
    if machine == "x86_64":
        code += [_op(_JUMP_GE, _X32, 0, 1), _op(_RETURN, _ERRNO | errno.ENOSYS)]
    for numbers, error in ((_DENIED, errno.EPERM), (_ABSENT, errno.ENOSYS)):
        for row in numbers.values():
            number = row[column]
            if number is not None:
                code += [_op(_JUMP_EQ, number, 0, 1), _op(_RETURN, _ERRNO | error)]
    code += _when(_CLONE[machine], 0, _flags(_CLONE_NAMESPACES))
    code += _when(_UNSHARE[machine], 0, _flags(_NEW_NAMESPACES))
    code += _when(_IOCTL[machine], 1, _values((_TIOCSTI, _TIOCLINUX)))
    code += _when(_SOCKET[machine], 0, _only((_UNIX, _INET, _INET6, _NETLINK)))
    code.append(_op(_RETURN, _ALLOW))
    return b"".join(code)


def _op(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, when_true, when_false, value)


def _when(number: int, argument: int, body: list[bytes]) -> list[bytes]:
    """`body` decides on the low half of the argument of one call; every other call jumps over it."""
    load = _op(_LOAD, _ARGUMENTS + 8 * argument)
    return [_op(_JUMP_EQ, number, 0, len(body) + 1), load, *body]


def _flags(mask: int) -> list[bytes]:
    return [_op(_JUMP_SET, mask, 0, 1), _op(_RETURN, _ERRNO | errno.EPERM), _op(_RETURN, _ALLOW)]


def _values(refused: tuple[int, ...]) -> list[bytes]:
    tests = [
        step for value in refused for step in (_op(_JUMP_EQ, value, 0, 1), _op(_RETURN, _ERRNO | errno.EPERM))
    ]
    return [*tests, _op(_RETURN, _ALLOW)]


def _only(allowed: tuple[int, ...]) -> list[bytes]:
    tests = [step for value in allowed for step in (_op(_JUMP_EQ, value, 0, 1), _op(_RETURN, _ALLOW))]
    return [*tests, _op(_RETURN, _ERRNO | errno.EAFNOSUPPORT)]
