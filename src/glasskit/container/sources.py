"""The user's code: fetched, unpacked, and its requirements installed beside it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from glasskit.container import failures, processes

_QUIET = ("--no-input", "--no-cache-dir", "--no-warn-script-location", "--disable-pip-version-check")
_ENTRY_POINT = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._+-]*(/[A-Za-z0-9._+-]+)*")


def check_entry_point(name: str) -> str:
    """The name, when it is a plain path inside the code. Raises failures.CodeNotFound otherwise."""
    plain = _ENTRY_POINT.fullmatch(name) and not any(part in (".", "..") for part in name.split("/"))
    if not plain:
        raise failures.CodeNotFound(
            f"The entry point {name!r} cannot be used: it must be a path relative to the code, of letters, digits, "
            "'.', '_', '+', '-' and '/', for example 'train.py' or 'bin/train.sh'."
        )
    return name


def place(source: str, code: Path) -> None:
    """Puts the code at `source` (an s3:// archive, a local archive, a file or a folder) into the folder `code`.

    What already lies in `code` is used as it is. Archives are unpacked with Python's `data` filter: no absolute
    paths, no links out of the folder, no devices. Raises failures.CodeNotFound.
    """
    if _is_filled(code) or Path(source) == code:
        return
    partial = code.with_name(f".{code.name}-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _unpack(source, partial)
        if code.is_dir():
            code.rmdir()
        partial.rename(code)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _unpack(source: str, folder: Path) -> None:
    import tarfile

    if source.startswith("s3://"):
        from glasskit.container import objects

        archive = folder.with_name(f"{folder.name}.tar.gz")
        try:
            objects.download(source, archive)
            _extract(archive, folder, source)
        finally:
            archive.unlink(missing_ok=True)
        return
    path = Path(source)
    if path.is_dir():
        shutil.copytree(path, folder, dirs_exist_ok=True)
    elif path.is_file() and tarfile.is_tarfile(path):
        _extract(path, folder, source)
    elif path.is_file():
        shutil.copy2(path, folder)
    else:
        raise failures.CodeNotFound(f"There is no code at {source}")


def _extract(archive: Path, folder: Path, source: str) -> None:
    import tarfile

    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as exc:
        raise failures.CodeNotFound(f"{source} cannot be unpacked: {exc}") from exc


def install_requirements(code: Path, packages: Path, environment: Mapping[str, str]) -> None:
    """Installs what requirements.txt of the code asks for and the image does not have, under `packages`.

    pip, and not uv: pip takes what the image has as installed, and lays another version beside it without touching
    it, because the image's packages lie outside the environment that it runs in. Its output is printed as it comes.
    Raises failures.InstallRequirementsError with pip's last lines.
    """
    if not (code / "requirements.txt").is_file():
        return
    sys.stdout.write("Installing dependencies from requirements.txt\n")
    sys.stdout.flush()
    command = ["python", "-m", "pip", "install", "--prefix", str(packages), *_QUIET]
    command += ["--requirement", "requirements.txt"]
    finished = processes.run([sys.executable, *command[1:]], folder=code, environment=environment)
    if finished.status:
        raise failures.InstallRequirementsError(
            command=" ".join(command), status=finished.status, tail=finished.tail
        )


def library_of(packages: Path) -> Path:
    """The folder under a prefix that Python imports from."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return packages / "lib" / version / "site-packages"


def search_path(code: Path, packages: Path, environment: Mapping[str, str]) -> str:
    """PYTHONPATH with the code first, then the job's own packages, then what was there."""
    before = [part for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]
    ours = [str(code), str(library_of(packages))]
    return os.pathsep.join(ours + [part for part in before if part not in ours])
