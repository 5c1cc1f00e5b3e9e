"""A script for the XGBoost image: every host learns the same, the first keeps the model; checkpoints go along."""

import argparse
import os
import socket
import sys
import time
from pathlib import Path

import numpy as np
import xgboost


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fail", default="")
    parser.add_argument("--linger", type=float, default=0)
    options = parser.parse_args()
    hosts, here = os.environ["SM_HOSTS"], os.environ["SM_CURRENT_HOST"]
    print(f"host {here} of {hosts}")
    for host in ("algo-1", "algo-2")[: hosts.count("algo")]:
        socket.gethostbyname(host)
    if options.fail:
        raise ValueError(options.fail)
    start = time.monotonic()
    while time.monotonic() - start < options.linger:
        time.sleep(0.1)
    rows = np.loadtxt(Path(os.environ["SM_CHANNEL_TRAIN"]) / "rows.csv", delimiter=",")
    data = xgboost.DMatrix(rows[:, 1:], rows[:, 0])
    params = {"objective": "binary:logistic", "max_depth": 3}
    kept = Path("/opt/ml/checkpoints")
    before = sorted(kept.glob("*.ubj")) if kept.is_dir() else []
    print(f"found {len(before)} checkpoints")
    model = xgboost.train(params, data, options.rounds, xgb_model=str(before[-1]) if before else None)
    print(f"the model has {model.num_boosted_rounds()} rounds")
    if kept.is_dir():
        model.save_model(kept / f"{model.num_boosted_rounds():04d}.ubj")
    if here == "algo-1":
        model.save_model(Path(os.environ["SM_MODEL_DIR"]) / "model.ubj")


def model_fn(model_dir):
    model = xgboost.Booster()
    model.load_model(Path(model_dir) / "model.ubj")
    return model


if __name__ == "__main__":
    sys.exit(main())
