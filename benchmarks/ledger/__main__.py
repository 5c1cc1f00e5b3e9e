"""Explained decisions with and without a record: python -m benchmarks.ledger [--seconds S] [--rounds N] [--peer PYTHON].

One model (LightGBM, 100 trees of 31 leaves, 30 features), one row a request, 16 connections, through the signed door:
recorded decisions (prediction, outcome, SHAP values, durable before they are answered) beside the same endpoint explained
and not recorded. Rounds are interleaved and their ratios' median is told. PYTHON is an interpreter with MLServer and shap
(see peer.py), which then serves the same model with shap's values and no record.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from benchmarks.ledger import load
from glasshouse.doors.cli import running
from glasshouse.engines.identity import local
from glasshouse.kernel.settings import Settings

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/lightgbm:latest"
FEATURES, CONNECTIONS = 30, 16
RECORDED, EXPLAINED = "recorded", "explained"
MOST_COST = 0.30
LEAST_OVER_PEER = 5.0
START_WITHIN_S = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each measurement lasts")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", default="", metavar="PYTHON", help="an interpreter with mlserver and shap")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        booster = _booster()
        contenders = stack.enter_context(_platform(folder / "data", booster))
        if options.peer:
            contenders["MLServer + shap"] = stack.enter_context(_peer(folder, booster, options.peer))
        figures = _measured(contenders, options)
    return _told(figures)


def _booster() -> lightgbm.Booster:
    chance = np.random.default_rng(1)
    rows = chance.normal(size=(5000, FEATURES))
    labels = rows[:, :5].sum(axis=1) + rows[:, 5] * rows[:, 6] > 0
    options = {"objective": "binary", "num_leaves": 31, "verbose": -1, "num_threads": 1}
    return lightgbm.train(options, lightgbm.Dataset(rows, labels), num_boost_round=100)


def _measured(
    contenders: dict[str, Callable[[float], load.Figures]], options: argparse.Namespace
) -> dict[str, list[load.Figures]]:
    figures: dict[str, list[load.Figures]] = {name: [] for name in contenders}
    for run in contenders.values():
        run(1.0)  # warm
    for number in range(options.rounds):
        for name, run in contenders.items():
            figures[name].append(run(options.seconds))
        print(f"round {number + 1} of {options.rounds}", flush=True)
    return figures


def _told(figures: dict[str, list[load.Figures]]) -> int:
    print(f"\n{'':18}{'decisions/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}")
    for name, found in figures.items():
        median = [
            statistics.median(getattr(one, part) for one in found) for part in ("per_s", "p50_s", "p99_s")
        ]
        failed = sum(one.n_failed for one in found)
        print(f"{name:18}{median[0]:12,.0f}{median[1] * 1e3:9.2f}{median[2] * 1e3:9.2f}{failed:8}")
    cost = 1 - _ratio(figures, RECORDED, EXPLAINED)
    met = cost < MOST_COST
    print(f"\nrecording costs {cost:.0%} of the answers a second; the bar is {MOST_COST:.0%}: {_word(met)}")
    for peer in figures.keys() - {RECORDED, EXPLAINED}:
        times = _ratio(figures, RECORDED, peer)
        is_over = times >= LEAST_OVER_PEER
        met = met and is_over
        print(f"recorded is {times:.1f} times {peer}; the bar is {LEAST_OVER_PEER:g} times: {_word(is_over)}")
    return 0 if met else 1


def _ratio(figures: dict[str, list[load.Figures]], one: str, other: str) -> float:
    pairs = zip(figures[one], figures[other], strict=True)
    return statistics.median(first.per_s / second.per_s for first, second in pairs)


def _word(met: bool) -> str:
    return "met" if met else "NOT met"


@contextlib.contextmanager
def _platform(data: Path, booster: lightgbm.Booster) -> Iterator[dict[str, Callable[[float], load.Figures]]]:
    anchor = data.with_name("anchors")
    command = [sys.executable, "-m", "glasshouse", "up", "--data", str(data), "--port", "0"]
    with subprocess.Popen([*command, "--ledger-anchor", str(anchor)], stdout=subprocess.DEVNULL) as process:
        try:
            server = _until(lambda: running.find(data), "the server")
            settings = Settings.read({"data": data})
            keys = local.load(settings.credentials_file)
            _deploy(server, keys, booster)
            yield {name: _run(server, keys, name) for name in (RECORDED, EXPLAINED)}
        finally:
            process.terminate()


def _deploy(server: running.Server, keys: Any, booster: lightgbm.Booster) -> None:
    s3, sagemaker = (running.client(name, server=server, keys=keys) for name in ("s3", "sagemaker"))
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="model.tar.gz", Body=_archive(booster))
    sagemaker.create_model(
        ModelName="model",
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": "s3://models/model.tar.gz"},
        ExecutionRoleArn="arn:aws:iam::000000000000:role/Worker",
    )
    zeros = ",".join(["0"] * FEATURES)
    clarify = {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": zeros}, "UseLogit": True}}
    more: dict[str, dict[str, Any]] = {
        RECORDED: {"Tags": [{"Key": "glasshouse:threshold", "Value": "0.5"}]},
        EXPLAINED: {"ExplainerConfig": {"ClarifyExplainerConfig": clarify}},
    }
    for name, own in more.items():
        variant = {
            "VariantName": "all",
            "ModelName": "model",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **own)
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    for name in more:
        _until(
            lambda name=name: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService",
            f"the endpoint {name}",
        )


def _run(server: running.Server, keys: Any, name: str) -> Callable[[float], load.Figures]:
    where = urllib.parse.urlsplit(server.endpoint)

    def run(for_s: float) -> load.Figures:
        headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
        url = f"{server.endpoint}/endpoints/{name}/invocations"
        requests = load.signed(url, _rows(), headers, keys, server.region)
        address = (str(where.hostname), int(where.port or 80))
        return load.run(address, requests, connections=CONNECTIONS, for_s=for_s)

    return run


def _rows() -> list[bytes]:
    chance = np.random.default_rng(2)
    return [",".join(f"{value:.6g}" for value in chance.normal(size=FEATURES)).encode() for _ in range(200)]


@contextlib.contextmanager
def _peer(folder: Path, booster: lightgbm.Booster, python: str) -> Iterator[Callable[[float], load.Figures]]:
    """MLServer with the same model and shap's values, one worker, as its documentation says."""
    home = folder / "peer"
    home.mkdir()
    booster.save_model(home / "model.txt")
    program = Path(__file__).with_name("peer.py")
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # one row has no work for two threads
    with subprocess.Popen([python, str(program), str(home)], stdout=subprocess.DEVNULL, env=alone) as process:
        try:
            port = int(_until(lambda: (home / "port").exists() and (home / "port").read_text(), "the peer"))
            rows = [[float(cell) for cell in row.split(b",")] for row in _rows()]
            bodies = [
                json.dumps(
                    {"inputs": [{"name": "x", "shape": [1, FEATURES], "datatype": "FP64", "data": row}]}
                ).encode()
                for row in rows
            ]
            headers = {"Host": "localhost", "Content-Type": "application/json"}
            requests = [load.plain("/v2/models/model/infer", body, headers) for body in bodies]
            yield lambda for_s: load.run(("127.0.0.1", port), requests, connections=CONNECTIONS, for_s=for_s)
        finally:
            process.terminate()


def _until(look: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + START_WITHIN_S
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come up")
        time.sleep(0.05)
    return found


def _archive(booster: lightgbm.Booster) -> bytes:
    content = booster.model_to_string().encode()
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        member = tarfile.TarInfo("lightgbm-model.txt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return whole.getvalue()


if __name__ == "__main__":
    sys.exit(main())
