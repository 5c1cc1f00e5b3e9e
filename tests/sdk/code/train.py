"""A user's script: learns a tree, and tells what it was started with. Serves its model with the default functions."""

import argparse
import json
import os
from pathlib import Path

import joblib
import numpy as np
import salutation  # comes from requirements.txt
from sklearn.tree import DecisionTreeClassifier


def model_fn(model_dir):
    return joblib.load(Path(model_dir) / "model.joblib")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-depth", type=int, default=2)
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    options, others = parser.parse_known_args()
    table = np.vstack([np.loadtxt(path, delimiter=",") for path in sorted(Path(options.train).glob("*.csv"))])
    model = DecisionTreeClassifier(max_depth=options.max_depth, random_state=0).fit(table[:, 1:], table[:, 0])
    print(f"accuracy={model.score(table[:, 1:], table[:, 0]):.4f}")
    joblib.dump(model, Path(options.model_dir) / "model.joblib")
    told = {
        "salutation": salutation.TEXT,
        "others": others,
        "variables": {
            n: v for n, v in os.environ.items() if n.startswith(("SM_", "GREETING", "TRAINING_JOB"))
        },
    }
    (Path(os.environ["SM_OUTPUT_DATA_DIR"]) / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
