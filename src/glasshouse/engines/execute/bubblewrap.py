"""What one host's sandbox is made of, as arguments of bwrap."""

# pathlib would cost every job's start 5 ms
# ruff: noqa: PTH101, PTH103, PTH110, PTH112, PTH114, PTH115, PTH123, PTH208

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

UID = 1000
HOME = "/tmp/home"  # noqa: S108 - inside the sandbox, on a tmpfs of its own
DEFAULTS = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": HOME, "LANG": "C.UTF-8"}

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = (
    # what programs look up; never all of /etc, which holds the machine's secrets (ssl/private, shadow)
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
)
_HARDWARE = ("/sys/devices/system/cpu", "/sys/devices/system/node")
_PROC_READ_ONLY = ("/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger")
_PROC_HIDDEN = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/driver",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/latency_stats",
    "/proc/mtrr",
    "/proc/pressure",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
)


def arguments(
    host: Mapping[str, Any], *, etc: str | None, network: str, tmp_bytes: int | None, hide: Sequence[str]
) -> list[str]:
    """The options for a host of a spec; the program's own arguments follow them.

    etc: the directory with the files written by `write_etc`, if any. network: "share" or "none".
    """
    size = ["--size", str(tmp_bytes)] if tmp_bytes else []
    return [
        *_namespaces(host["name"], network),
        *_system(hide),
        *_proc(),
        *("--dev", "/dev", *size, "--perms", "1777", "--tmpfs", "/dev/shm"),  # noqa: S108 - inside
        *(*size, "--perms", "1777", "--tmpfs", "/tmp", "--perms", "0755", "--tmpfs", "/run"),  # noqa: S108 - inside
        *("--perms", "0700", "--dir", HOME, "--symlink", "../tmp", "/var/tmp"),  # noqa: S108 - inside
        *_own_etc(etc),
        *_mounts(host["mounts"], hide),
        *("--remount-ro", "/dev", "--remount-ro", "/"),
        *_environment(host["env"]),
        *("--chdir", host["workdir"]),
    ]


def write_etc(directory: str, *, name: str, addresses: Mapping[str, str], online: bool) -> None:
    """Writes the few files of /etc that are this host's own."""
    os.makedirs(directory, exist_ok=True)
    people = f"root:x:0:0:root:/:/usr/sbin/nologin\njob:x:{UID}:{UID}:job:{HOME}:/bin/sh\n"
    hosts = [("127.0.0.1", "localhost"), ("::1", "localhost"), *((at, who) for who, at in addresses.items())]
    files = {
        "hosts": "".join(f"{address}\t{who}\n" for address, who in hosts),
        "hostname": name + "\n",
        "passwd": people + "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
        "group": f"root:x:0:\njob:x:{UID}:\nnogroup:x:65534:\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n",
        "resolv.conf": _resolvers() if online else "",
    }
    for file, text in files.items():
        with open(f"{directory}/{file}", "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(f"{directory}/{file}", 0o644)


def _resolvers() -> str:
    try:
        with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _namespaces(name: str, network: str) -> list[str]:
    return [
        *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *(["--unshare-net"] if network == "none" else []),
        *("--disable-userns", "--uid", str(UID), "--gid", str(UID), "--hostname", name),
        *("--die-with-parent", "--new-session", "--cap-drop", "ALL"),
    ]


def _system(hide: Sequence[str]) -> list[str]:
    out: list[str] = []
    for path in _SYSTEM:
        if os.path.islink(path):
            out += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            out += ["--ro-bind", path, path, *_covered(path, path, hide)]
    java = [f"/etc/{name}" for name in os.listdir("/etc") if name.startswith("java-")]
    for path in (*_ETC, *java, *_HARDWARE):
        out += ["--ro-bind-try", path, path]
    return out


def _proc() -> list[str]:
    """/proc without what is not confined by a namespace.

    bwrap alone leaves /proc/sys writable to a job whose user is the machine's root: sysctl files ask
    for the user's number, not for a capability, and kernel.core_pattern runs programs outside.
    """
    out = ["--proc", "/proc"]
    for path in _PROC_READ_ONLY:
        out += ["--ro-bind-try", path, path]
    for path in _PROC_HIDDEN:
        if os.path.isdir(path):
            out += ["--perms", "0555", "--tmpfs", path, "--remount-ro", path]
        elif os.path.exists(path):
            out += ["--ro-bind", "/dev/null", path]
    return out


def _own_etc(etc: str | None) -> list[str]:
    names = sorted(os.listdir(etc)) if etc is not None else []
    return [word for name in names for word in ("--ro-bind", f"{etc}/{name}", f"/etc/{name}")]


def _covered(source: str, target: str, hide: Sequence[str]) -> list[str]:
    """Covers what is to be hidden inside a directory that has just been mounted."""
    top = os.path.realpath(source) + "/"
    inner = [path.removeprefix(top) for path in hide if path.startswith(top) and os.path.isdir(path)]
    return [word for path in inner for word in ("--tmpfs", f"{target}/{path}")]


def _mounts(mounts: Sequence[Mapping[str, Any]], hide: Sequence[str]) -> list[str]:
    out: list[str] = []
    for mount in mounts:
        if mount["source"].startswith("/dev/"):
            how = "--dev-bind"
        else:
            how = "--bind" if mount["writable"] else "--ro-bind"
        out += [how, mount["source"], mount["target"], *_covered(mount["source"], mount["target"], hide)]
    return out


def _environment(env: Mapping[str, str]) -> list[str]:
    out = ["--clearenv"]
    for name, value in (DEFAULTS | dict(env)).items():
        out += ["--setenv", name, value]
    return out
