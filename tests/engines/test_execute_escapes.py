"""Attempts to get out of a sandbox. Each is made from inside, by a program that wants to."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from glasshouse.engines.execute import sandbox
from glasshouse.kernel import ports
from tests.engines import bench as benches
from tests.engines.executor_conformance import FOREVER

CALLS = """
import ctypes, errno, json, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return errno.errorcode.get(ctypes.get_errno(), "no error") if result == -1 else "done"
"""
X86_64_CALLS = {
    "unshare a user namespace": "call(272, 0x10000000)",
    "clone into a user namespace": "call(56, 0x10000000 | 17, 0, 0, 0, 0)",
    "clone into a network namespace": "call(56, 0x40000000 | 17, 0, 0, 0, 0)",
    "enter another namespace": "call(308, os.open('/proc/self/ns/net', 0), 0)",
    "mount": "call(165, b'none', b'/tmp', b'tmpfs', 0, 0)",
    "unmount": "call(166, b'/proc', 0)",
    "pivot the root": "call(155, b'/tmp', b'/tmp')",
    "change the root": "call(161, b'/tmp')",
    "add a key": "call(248, b'user', b'x', b'y', 1, -3)",
    "ask for a key": "call(249, b'user', b'x', 0, 0)",
    "control keys": "call(250, 0, -3, 1)",
    "load a BPF program": "call(321, 0, 0, 0)",
    "trace a process": "call(101, 0, 0, 0, 0)",
    "read another process's memory": "call(310, 1, 0, 0, 0, 0, 0)",
    "open by handle": "call(304, -100, 0, 0)",
    "count performance events": "call(298, 0, 0, -1, -1, 0)",
    "handle page faults": "call(323, 0)",
    "load a kernel": "call(246, 0, 0, 0, 0)",
    "load a module": "call(175, 0, 0, b'')",
    "read the kernel's log": "call(103, 3, 0, 0)",
    "set the time": "call(227, 0, 0)",
    "type into the terminal": "call(16, 0, 0x5412, b'x')",
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[benches.Bench]:
    with benches.at(tmp_path) as bench:
        yield bench


@pytest.fixture
def listener() -> Iterator[int]:
    """The port of a TCP server on the machine, and an abstract Unix socket of the same number."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as abstract:
            abstract.bind(f"\0glasshouse-test-{port}")
            abstract.listen()
            yield port


def reaching(port: int) -> str:
    own = socket.gethostbyname(socket.gethostname())
    return f"""
import json, socket
def tried(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(3)
        try:
            attempt.connect(address)
            return "reached"
        except OSError as error:
            return type(error).__name__
def named(name):
    try:
        return socket.getaddrinfo(name, 80) and "resolved"
    except OSError as error:
        return type(error).__name__
print(json.dumps({{
    "loopback": tried(socket.AF_INET, ("127.0.0.1", {port})),
    "own address": tried(socket.AF_INET, ({own!r}, {port})),
    "internet": tried(socket.AF_INET, ("192.0.2.1", 443)),
    "metadata": tried(socket.AF_INET, ("169.254.169.254", 80)),
    "IPv6": tried(socket.AF_INET6, ("2001:db8::1", 443)),
    "abstract socket": tried(socket.AF_UNIX, "\\0glasshouse-test-{port}"),
    "names": named("example.com"),
}}))
"""


def test_without_network_nothing_is_reached(bench: benches.Bench, listener: int) -> None:
    found = bench.ask(reaching(listener), network="none")
    assert set(found.values()) <= {"ConnectionRefusedError", "OSError", "gaierror"}, found


def test_an_isolated_job_of_several_hosts_reaches_only_itself(bench: benches.Bench, listener: int) -> None:
    exited, (lines, _) = bench.run(reaching(listener), "pass", network="job")
    found = json.loads(lines[-1])
    assert exited.code == 0
    assert set(found.values()) <= {"ConnectionRefusedError", "OSError", "gaierror"}, found


def test_with_the_machines_network_its_services_are_reached(bench: benches.Bench, listener: int) -> None:
    program = f"import socket; socket.create_connection(('127.0.0.1', {listener}), timeout=3); print('true')"
    assert bench.ask(program, network="host") is True


def test_two_isolated_jobs_do_not_reach_each_other(bench: benches.Bench) -> None:
    serve = (
        "import socket, time; s = socket.create_server(('', 5000)); print('up', flush=True); time.sleep(600)"
    )
    first = bench.job(serve, FOREVER, network="job")
    handle = bench.executor.submit(first)
    bench.wait_for_line(first, "up")
    knock = (
        "import socket\nfor n in range(2, 4):\n"
        "    try: socket.create_connection((f'10.128.0.{n}', 5000), timeout=1); print('reached')\n"
        "    except OSError: print('refused')"
    )
    _, (lines, _) = bench.run(knock, "import time; time.sleep(0.3)", network="job")
    bench.executor.stop(handle, grace_s=0)
    bench.wait(handle)
    assert lines == ["refused", "refused"]


def test_only_the_system_and_the_jobs_own_mounts_are_seen(bench: benches.Bench, tmp_path: Path) -> None:
    (tmp_path / "other-job").mkdir()
    (tmp_path / "other-job" / "model").write_text("theirs")
    hidden = [
        str(tmp_path),
        str(tmp_path / "other-job" / "model"),
        "/etc/shadow",
        "/etc/ssl/private",
        "/etc/sudoers",
        "/home",
        str(Path.home() / ".ssh"),
        "/var/lib",
        "/var/run/docker.sock",
        "/run/systemd",
        "/sys/fs/cgroup",
        "/sys/kernel",
        "/boot",
        str(Path(__file__)),
    ]
    program = f"import os, json; print(json.dumps([p for p in {hidden!r} if os.path.lexists(p)]))"
    seen = bench.ask(program)
    assert seen == []


def test_the_root_holds_nothing_but_the_system(bench: benches.Bench) -> None:
    mounted = Path(bench.ask("import sys, json; print(json.dumps(sys.base_prefix))")).parts[1]
    system = {
        "bin",
        "dev",
        "etc",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "proc",
        "run",
        "sbin",
        "sys",
        "tmp",
        "usr",
        "var",
    }
    assert set(bench.ask("import os, json; print(json.dumps(os.listdir('/')))")) <= {*system, mounted}


def test_a_directory_to_hide_is_empty_even_inside_the_system(tmp_path: Path) -> None:
    place = "/usr/share"
    with benches.at(tmp_path, sandbox.SandboxExecutor(hide=[Path(place)])) as bench:
        assert bench.ask(f"import os, json; print(json.dumps(os.listdir({place!r})))") == []


def test_only_the_jobs_own_processes_are_seen_and_none_else_can_be_signalled(bench: benches.Bench) -> None:
    program = f"""
import json, os
def signalled(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False
print(json.dumps([sorted(int(n) for n in os.listdir('/proc') if n.isdigit()), signalled({os.getpid()})]))
"""
    processes, signalled = bench.ask(program)
    assert (processes, signalled) == ([1, 2], False)


def test_nothing_of_the_system_can_be_written(bench: benches.Bench) -> None:
    program = """
import json, os
places = ['/', '/usr', '/usr/bin', '/usr/lib', '/etc', '/etc/ssl/certs', '/dev', '/proc/sys/kernel', '/sys', '/var', '/opt/ml']
written = []
for place in places:
    try:
        os.close(os.open(place + '/.probe', os.O_CREAT | os.O_WRONLY))
        written.append(place)
    except OSError:
        pass
for path in ['/etc/hosts', '/etc/passwd', '/etc/resolv.conf', '/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger']:
    try:
        os.close(os.open(path, os.O_WRONLY))
        written.append(path)
    except OSError:
        pass
print(json.dumps(written))
"""
    (bench.root / "ml").mkdir()
    mount = ports.Mount(source=bench.root / "ml", target="/opt/ml")
    assert bench.ask(program, mounts=[mount]) == []


def test_no_file_of_the_kernel_can_be_opened_for_writing(bench: benches.Bench) -> None:
    """Even where the job's user is the machine's root, whose number alone opens many of them."""
    program = """
import json, os
own = {name for name in os.listdir('/proc') if name.isdigit()} | {'self', 'thread-self'}
opened = []
for top in ('/proc', '/sys'):
    for place, directories, files in os.walk(top):
        if place == '/proc':
            directories[:] = [name for name in directories if name not in own]
        for name in files:
            try:
                os.close(os.open(os.path.join(place, name), os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW))
                opened.append(os.path.join(place, name))
            except OSError:
                pass
print(json.dumps(opened))
"""
    assert bench.ask(program) == []


def test_a_job_has_no_capabilities_and_gains_none(bench: benches.Bench) -> None:
    status = bench.ask(
        "import json; print(json.dumps(dict(l.split(':\\t', 1) for l in open('/proc/self/status').read().splitlines() if ':\\t' in l)))"
    )
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[capabilities], 16) == 0, capabilities
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86_64")
def test_system_calls_that_reach_beyond_the_sandbox_are_refused(bench: benches.Bench) -> None:
    table = ", ".join(f"{name!r}: {attempt}" for name, attempt in X86_64_CALLS.items())
    answers = bench.ask(f"{CALLS}\nprint(json.dumps({{{table}}}))")
    assert answers == dict.fromkeys(X86_64_CALLS, "EPERM")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86_64")
def test_calls_that_a_filter_cannot_see_through_are_absent(bench: benches.Bench) -> None:
    attempts = "[call(435, 0, 0), call(425, 1, 0), call(0x40000000 + 39)]"
    assert bench.ask(f"{CALLS}\nprint(json.dumps({attempts}))") == ["ENOSYS"] * 3


def test_sockets_that_no_namespace_confines_cannot_be_made(bench: benches.Bench) -> None:
    program = """
import json, socket
answers = {}
for name, family, kind in (('vsock', 40, 1), ('packet', 17, 3), ('alg', 38, 5), ('bluetooth', 31, 3), ('unix', 1, 1)):
    try:
        socket.socket(family, kind).close()
        answers[name] = 'made'
    except OSError as error:
        answers[name] = 'refused'
print(json.dumps(answers))
"""
    answers = bench.ask(program)
    assert answers.pop("unix") == "made"
    assert set(answers.values()) == {"refused"}


def test_threads_processes_and_shared_memory_still_work(bench: benches.Bench) -> None:
    program = """
import json, multiprocessing, threading
def work(queue): queue.put(21)
queue = multiprocessing.get_context('fork').Queue()
process = multiprocessing.get_context('fork').Process(target=work, args=(queue,))
process.start()
found = []
thread = threading.Thread(target=lambda: found.append(queue.get(timeout=20)))
thread.start(); thread.join(); process.join()
lock = multiprocessing.Lock()
print(json.dumps(found))
"""
    assert bench.ask(program) == [21]


def test_nothing_of_the_server_is_in_the_sandboxs_first_process(bench: benches.Bench) -> None:
    program = """
import json, os
print(json.dumps([open('/proc/1/environ').read(), open('/proc/1/cmdline').read(), os.listdir('/proc/self/fd')]))
"""
    environment, command, descriptors = bench.ask(program, env={"TOKEN": "secret"})
    assert environment.startswith("GLASSHOUSE_RUN=")
    assert environment.count("=") == 1
    assert "secret" not in command
    assert str(bench.root) not in command
    assert len(descriptors) == 4  # standard ones, and that of the listing


def test_a_library_the_job_preloads_is_not_loaded_outside(bench: benches.Bench) -> None:
    _, (lines,) = bench.run(["/bin/sh", "-c", "echo inside"], env={"LD_PRELOAD": "/no/such/library.so"})
    assert lines[-1] == "inside"
    assert len(lines) == 2, lines  # the loader of the program complains, and that of nothing before it


def test_a_link_in_a_mount_leads_nowhere_outside(bench: benches.Bench, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the machine")
    (tmp_path / "ml").mkdir()
    (tmp_path / "ml" / "link").symlink_to(tmp_path / "secret")
    mount = ports.Mount(source=tmp_path / "ml", target="/opt/ml", writable=True)
    assert (
        bench.ask("import os, json; print(json.dumps(os.path.exists('/opt/ml/link')))", mounts=[mount])
        is False
    )
