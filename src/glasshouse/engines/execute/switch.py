"""A private network between the hosts of one job, made without any privilege on the machine.

A short-lived child enters a user namespace and a network namespace of its own, in which it may do what
root may: it makes a bridge, one network namespace for each host, and a pair of virtual Ethernet
interfaces from each to the bridge. It hands the namespaces over as descriptors and ends; they live as
long as a descriptor or a process in them. Nothing leads out of the bridge.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct

NEWUSER, NEWNET = 0x10000000, 0x40000000
NETWORK = "10.128.0"
MOST_HOSTS = 250

_NEWLINK, _NEWADDR, _ERROR = 16, 20, 2
_REQUEST, _ACK, _CREATE, _EXCLUSIVE = 1, 4, 0x400, 0x200
_IFNAME, _MASTER, _LINKINFO, _NET_NS_FD = 3, 10, 18, 28
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_ADDRESS, _LOCAL = 1, 2
_UP = 1


class Networks:
    """Descriptors of the user namespace, the bridge's network in it, and each host's; they keep them alive."""

    def __init__(self, user: int, centre: int, hosts: list[int], addresses: list[str]) -> None:
        self.user = user
        self.centre = centre
        self.hosts = hosts
        self.addresses = addresses

    def enter(self, index: int) -> None:
        """Moves the calling process into a host's network. Call in a child that will exec."""
        _setns(self.user, NEWUSER)
        _setns(self.hosts[index], NEWNET)


def build(n_hosts: int) -> Networks:
    """Private networks for that many hosts. Raises OSError where the kernel grants none.

    Without bridges or virtual Ethernet in the kernel, the hosts share one private network and are told
    apart by loopback addresses; then two of them cannot both listen on one port of all addresses.
    """
    if n_hosts > MOST_HOSTS:
        raise OSError(f"a private network has room for {MOST_HOSTS} hosts, not {n_hosts}")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        try:
            bridged, descriptors = _build(n_hosts)
            for start in range(0, len(descriptors), 64):
                socket.send_fds(
                    theirs, [b"bridge" if bridged else b"shared"], descriptors[start : start + 64]
                )
            os._exit(0)
        except OSError as error:
            theirs.send(str(error).encode())
            os._exit(1)
    theirs.close()
    try:
        return _received(ours, n_hosts)
    finally:
        ours.close()
        os.waitpid(child, 0)


def _received(channel: socket.socket, n_hosts: int) -> Networks:
    descriptors: list[int] = []
    message = b""
    while len(descriptors) < n_hosts + 2:
        message, more, _, _ = socket.recv_fds(channel, 4096, 64)
        if not more:
            raise OSError(message.decode() or "the private network could not be made")
        descriptors += more
    if message == b"bridge":
        addresses = [f"{NETWORK}.{2 + index}" for index in range(n_hosts)]
    else:
        addresses = [f"127.0.1.{1 + index}" for index in range(n_hosts)]
    return Networks(descriptors[0], descriptors[1], descriptors[2:], addresses)


def _build(n_hosts: int) -> tuple[bool, list[int]]:
    _become_root_of_a_namespace()
    user, centre = _namespace("user"), _namespace("net")
    _up("lo")
    try:
        _request(_NEWLINK, _link(0) + _attribute(_IFNAME, b"jobs\0") + _kind(b"bridge"), _CREATE | _EXCLUSIVE)
        _up("jobs")
        hosts = [_host(index, centre) for index in range(n_hosts)]
    except OSError:
        return False, [user, centre, *[centre] * n_hosts]
    return True, [user, centre, *hosts]


def _become_root_of_a_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _libc("unshare", NEWUSER | NEWNET)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(fd, text.encode())
        os.close(fd)


def _host(index: int, centre: int) -> int:
    """One host's network: eth0 with an address, on a wire to the bridge."""
    _libc("unshare", NEWNET)
    here = _namespace("net")
    _setns(centre, NEWNET)
    peer = _link(0) + _attribute(_IFNAME, b"eth0\0") + _attribute(_NET_NS_FD, struct.pack("=I", here))
    master = struct.pack("=I", socket.if_nametoindex("jobs"))
    port = f"port{index}"
    _request(
        _NEWLINK,
        _link(0)
        + _attribute(_IFNAME, port.encode() + b"\0")
        + _attribute(_MASTER, master)
        + _kind(b"veth", _attribute(_VETH_PEER, peer)),
        _CREATE | _EXCLUSIVE,
    )
    _up(port)
    _setns(here, NEWNET)
    _up("lo")
    _address("eth0", f"{NETWORK}.{2 + index}", prefix=24)
    _up("eth0")
    _setns(centre, NEWNET)
    return here


def _up(name: str) -> None:
    _request(_NEWLINK, _link(socket.if_nametoindex(name), _UP), 0)


def _address(name: str, address: str, *, prefix: int) -> None:
    packed = socket.inet_aton(address)
    header = struct.pack("=BBBBI", socket.AF_INET, prefix, 0, 0, socket.if_nametoindex(name))
    body = header + _attribute(_LOCAL, packed) + _attribute(_ADDRESS, packed)
    _request(_NEWADDR, body, _CREATE | _EXCLUSIVE)


def _link(index: int, flags: int = 0) -> bytes:
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, flags)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _kind(name: bytes, data: bytes = b"") -> bytes:
    info = _attribute(_INFO_KIND, name) + (_attribute(_INFO_DATA, data) if data else b"")
    return _attribute(_LINKINFO, info)


def _request(kind: int, body: bytes, flags: int) -> None:
    """One request to the kernel's routing family, in the network the caller is in, and its answer."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as channel:
        channel.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | _ACK | flags, 1, 0) + body)
        answer = channel.recv(65536)
    if struct.unpack_from("=H", answer, 4)[0] == _ERROR:
        code = -struct.unpack_from("=i", answer, 16)[0]
        if code:
            raise OSError(code, os.strerror(code))


def _namespace(kind: str) -> int:
    return os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def _setns(descriptor: int, kind: int) -> None:
    _libc("setns", descriptor, kind)


def _libc(function: str, *arguments: int) -> None:
    """Calls into the C library, since Python has these only from 3.12 on."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, function)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{function}: {os.strerror(code)}")
