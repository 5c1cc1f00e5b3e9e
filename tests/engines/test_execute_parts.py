"""The parts of the sandbox executor that are worth a look of their own."""

from __future__ import annotations

import errno
import itertools
import json
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.engines.execute import limits, lines, records, seccomp

ALLOW = 0x7FFF0000


def texts(out: bytes) -> list[str]:
    return [json.loads(line)["m"] for line in out.splitlines()]


def fed(chunks: list[bytes]) -> list[str]:
    cutter = lines.Lines(0)
    return texts(b"".join([*(cutter.feed(chunk, 0) for chunk in chunks), cutter.close(0)]))


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n", codec="utf-8")), max_size=20))
def test_lines_come_out_as_they_went_in(wanted: list[str]) -> None:
    assert fed(["".join(line + "\n" for line in wanted).encode()]) == wanted


@given(
    data=st.lists(st.sampled_from([b"a", "ü".encode(), b"\n", b"\r", b"\xff"])).map(b"".join),
    cuts=st.lists(st.integers(0, 60)),
)
def test_how_output_is_cut_into_reads_makes_no_difference(data: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[start:end] for start, end in itertools.pairwise(places)]
    assert fed(chunks) == fed([data])


def test_what_a_carriage_return_overwrites_is_dropped() -> None:
    assert fed([b"10%\r50%\r100%\nwindows\r\n"]) == ["100%", "windows"]


def test_a_progress_bar_shows_once_a_second() -> None:
    cutter = lines.Lines(0)
    out = b"".join(cutter.feed(b"%d%%\r" % (n // 10), n * 10) for n in range(1000))
    assert 8 <= len(texts(out)) <= 10


def test_a_long_line_is_cut_between_characters() -> None:
    pieces = fed(["ü".encode() * lines.LONGEST + b"\n"])
    assert "".join(pieces) == "ü" * lines.LONGEST
    assert all(len(piece.encode()) <= lines.LONGEST for piece in pieces)


def test_times_never_go_back() -> None:
    cutter = lines.Lines(100)
    out = cutter.feed(b"a\n", 200) + cutter.feed(b"b\n", 150)
    assert [json.loads(line)["t"] for line in out.splitlines()] == [200, 200]


def decide(program: bytes, arch: int, number: int, *arguments: int) -> int:
    """What the kernel would return for a call: a small interpreter of the instructions we use."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    code = list(struct.iter_unpack("=HBBI", program))
    accumulator, at = 0, 0
    while True:
        operation, when_true, when_false, value = code[at]
        at += 1
        if operation == 0x06:
            return int(value)
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
            continue
        holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[
            operation
        ]
        at += when_true if holds else when_false


@pytest.mark.parametrize(
    ("machine", "call", "arguments", "answer"),
    [
        ("x86_64", 0, (), 0),
        ("x86_64", 165, (), errno.EPERM),
        ("x86_64", 435, (), errno.ENOSYS),
        ("x86_64", 56, (0x10000011,), errno.EPERM),
        ("x86_64", 56, (0x003D0F00,), 0),  # a thread
        ("x86_64", 272, (0x400,), 0),  # unshare(CLONE_FILES)
        ("x86_64", 272, (0x80,), errno.EPERM),
        ("x86_64", 41, (2,), 0),
        ("x86_64", 41, (40,), errno.EAFNOSUPPORT),
        ("x86_64", 16, (0, 0x5412), errno.EPERM),
        ("x86_64", 16, (0, 0x5401), 0),
        ("x86_64", 0x40000000, (), errno.ENOSYS),
        ("aarch64", 63, (), 0),
        ("aarch64", 40, (), errno.EPERM),
        ("aarch64", 220, (0x10000011,), errno.EPERM),
        ("aarch64", 198, (40,), errno.EAFNOSUPPORT),
        ("aarch64", 29, (0, 0x5412), errno.EPERM),
    ],
)
def test_the_filter_decides(machine: str, call: int, arguments: tuple[int, ...], answer: int) -> None:
    decided = decide(seccomp.program(machine), seccomp.AUDIT_ARCH[machine], call, *arguments)
    assert decided == (0x00050000 | answer if answer else ALLOW)


def test_calls_of_another_architecture_kill() -> None:
    assert decide(seccomp.program("x86_64"), 0x40000003, 1) == 0x80000000


def test_a_lock_is_seen_by_others_until_its_holder_dies(tmp_path: Path) -> None:
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        records.take(str(tmp_path))
        os.write(ready[1], b"!")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    assert records.holder(str(tmp_path)) == child
    assert records.take(str(tmp_path)) is None
    os.write(done[1], b"!")
    os.waitpid(child, 0)
    assert records.holder(str(tmp_path)) is None
    for fd in (*ready, *done):
        os.close(fd)


@pytest.fixture
def second_version(tmp_path: Path) -> tuple[Path, str, str]:
    """A tree of files like cgroup version 2, in which the service's parent group was delegated to us."""
    top = tmp_path / "cgroup"
    own = top / "user.slice" / "app.slice" / "glasshouse.service"
    own.mkdir(parents=True)
    for directory in (own, own.parent, own.parent.parent):
        for name, text in (
            ("cgroup.procs", ""),
            ("cgroup.controllers", "cpu memory pids\n"),
            ("cgroup.subtree_control", ""),
        ):
            (directory / name).write_text(text)
    (own / "cgroup.controllers").write_text("")
    (own.parent.parent / "cgroup.procs").chmod(0o400)
    mounts, paths = tmp_path / "mountinfo", tmp_path / "self"
    mounts.write_text(f"30 20 0:26 / {top} rw,nosuid shared:4 - cgroup2 cgroup2 rw\n")
    paths.write_text("0::/user.slice/app.slice/glasshouse.service\n")
    return own.parent, str(mounts), str(paths)


def test_groups_of_version_2_are_made_where_they_were_delegated(
    second_version: tuple[Path, str, str],
) -> None:
    parent, mounts, own = second_version
    places = limits.parents(mounts, own)
    assert places == {name: (2, str(parent)) for name in ("cpu", "memory", "pids")}


def test_limits_of_version_2_are_written_into_its_files(second_version: tuple[Path, str, str]) -> None:
    parent, mounts, own = second_version
    home = parent / "glasshouse-7-0"
    home.mkdir()
    for name in ("memory.max", "memory.swap.max", "pids.max", "cpu.max", "cgroup.procs", "memory.events"):
        (home / name).touch()
    groups = limits.Groups("7-0", limits.parents(mounts, own))
    groups.create({"cpus": 1.5, "memory_bytes": 1 << 20, "n_processes": 9})
    groups.enter()
    (home / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    assert groups.enforced == {"cpu", "memory", "pids"}
    assert {
        name: (home / name).read_text() for name in ("memory.max", "memory.swap.max", "pids.max", "cpu.max")
    } == {
        "memory.max": "1048576",
        "memory.swap.max": "0",
        "pids.max": "9",
        "cpu.max": "150000 100000",
    }
    assert groups.n_killed() == 2


def test_a_machine_without_cgroups_has_no_places_for_groups(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text("")
    (tmp_path / "self").write_text("")
    assert limits.parents(str(tmp_path / "mountinfo"), str(tmp_path / "self")) == {}
