"""A model server as a job: its folder, its environment, its replica.

Source: SageMaker developer guide, "Use your own inference code with hosting services".
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.capabilities.deploy import explaining, recording
from glasshouse.kernel import errors, objects
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import archives, environment, instances
from glasshouse.kernel.ports import Host, Job, Mount, Network, Replica

OPT_ML = "/opt/ml"
SOCKET = Path("/run/glasshouse/model.sock")
KEYS_LIVE_S = 365 * 86400.0
READY = "laid-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one model server lives and what it is called."""

    folder: Path
    name: str
    log: Path


def fetch(
    container: Mapping[str, Any],
    store: Path,
    context: Context,
    *,
    explainer: explaining.Config | None = None,
    rule: Mapping[str, str] | None = None,
) -> str:
    """Copies the model's objects, its explainer's and its decision rule's into the folder `store`; the model's digest.

    Done once; a second call finds it. Raises errors.Fatal when the model is not there.
    """
    done = store / READY
    if done.exists():
        return done.read_text()
    shutil.rmtree(store, ignore_errors=True)
    (store / "data").mkdir(parents=True)
    data = container["ModelData"]
    digest = _fetch(data, store / "data", context) if data else ""
    if explainer:
        explaining.fetch(explainer, store / explaining.FOLDER, context)
    if rule is not None:
        recording.fetch(rule, store / recording.FOLDER, context)
    done.write_text(digest)
    return digest


def lay_out(container: Mapping[str, Any], store: Path, place: Place) -> None:
    """Makes the server's own /opt/ml/model of what was fetched. Done once; a second call finds it done.

    Raises errors.Fatal when the model is not an archive and should be.
    """
    done = place.folder / READY
    if done.exists():
        return
    model = place.folder / "ml" / "model"
    shutil.rmtree(model, ignore_errors=True)
    data = container["ModelData"]
    if data and data["form"] == "archive":
        for archive in (store / "data").iterdir():
            _unpack(archive, model, data["uri"])
    else:
        shutil.copytree(store / "data", model)
    for name in (explaining.FOLDER, recording.FOLDER):
        if (store / name).exists():
            shutil.copytree(store / name, place.folder / "ml" / name, dirs_exist_ok=True)
    done.touch()


def replica_of(
    container: Mapping[str, Any],
    place: Place,
    context: Context,
    *,
    instance_type: str,
    isolated: bool,
    role: str,
    more: Mapping[str, str] | None = None,
) -> Replica:
    """The model server as the server engine runs it; `more` are variables above the container's own."""
    images = context.ports.images
    runtime = images.resolve(container["Image"])
    built = images.environment(runtime)
    network: Network = "none" if isolated else "host"
    keys = environment.keys_for(context, role, session=place.name, lifetime_s=KEYS_LIVE_S) if role else {}
    env = environment.variables(
        context,
        runtime=runtime,
        environment=built,
        network=network,
        requested=container["Environment"],
        own={**({} if isolated else keys), **(more or {}), "GLASSHOUSE_SOCKET": str(SOCKET)},
    )
    host = Host(
        name="model",
        argv=runtime.command["inference"],
        env=env,
        mounts=(
            *environment.mounts(context, environment=built, network=network),
            Mount(source=place.folder / "ml", target=OPT_ML, writable=True),
        ),
        log=place.log,
        workdir=OPT_ML,
    )
    job = Job(
        id=place.name,
        hosts=(host,),
        run_dir=place.folder / "run",
        network=network,
        limits=instances.limits_of(instance_type, time_s=None),
    )
    return Replica(job=job, socket=SOCKET)


def placeholder(place: Place) -> Replica:
    """A replica in the same place that does nothing: starting it finds the one that was started there before.

    A server whose start could not be written down is found and ended this way.
    """
    host = Host(name="model", argv=("true",), env={"PATH": environment.SYSTEM_PATH}, mounts=(), log=place.log)
    return Replica(job=Job(id=place.name, hosts=(host,), run_dir=place.folder / "run"), socket=SOCKET)


def _fetch(data: Mapping[str, str], folder: Path, context: Context) -> str:
    """The digest of the object, or of all paths and digests of a folder."""
    service = context.ports.objects
    place = objects.Place.of_uri(context.caller.account, data["uri"])
    if data["form"] == "folder":
        inputs = service.select(place, kind="S3Prefix", shard=(0, 1))
        service.fetch(inputs, folder)
        listed = sorted(f"{one.path}\0{one.version.digest}\n" for one in inputs)
        return hashlib.sha256("".join(listed).encode()).hexdigest()
    try:
        version = service.head(place)
    except errors.WireError as error:
        raise errors.Fatal(
            f"Could not find model data at {data['uri']}. Make sure that it is there and that the role may read it."
        ) from error
    with (folder / (place.key.rsplit("/", 1)[-1] or "model")).open("wb") as file:
        for chunk in service.read(version):
            file.write(chunk)
    return version.digest


def _unpack(archive: Path, model: Path, uri: str) -> None:
    try:
        archives.unpacked(archive, model)
    except (tarfile.TarError, EOFError, OSError) as error:
        what = str(error).partition("\n")[0]
        raise errors.Fatal(f"The model data at {uri} is not a tar.gz archive: {what}") from error
