"""Serving functions of a user's own: everything is multiplied by a number from the environment."""

import io
import os
from pathlib import Path

import joblib
import numpy as np
import salutation


def model_fn(model_dir):
    print(salutation.TEXT)
    return joblib.load(Path(model_dir) / "model.joblib")


def input_fn(body, content_type):
    if content_type != "application/x-npy":
        raise ValueError(f"{content_type} is not welcome here")
    return np.load(io.BytesIO(body))


def predict_fn(data, model):
    return model.predict(data) * float(os.environ["MULTIPLY"])


def output_fn(prediction, accept):
    buffer = io.BytesIO()
    np.save(buffer, prediction)
    return buffer.getvalue(), accept
