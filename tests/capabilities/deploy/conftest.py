"""Models that the tests of endpoints and batch transform share."""

import numpy as np
import numpy.typing as npt
import pytest
import xgboost

from tests.support import workshop as shop
from tests.support.workshop import Workshop

ECHO = """
import json, os, time
def model_fn(model_dir): return open(os.path.join(model_dir, "word")).read()
def input_fn(body, content_type): return body if isinstance(body, bytes) else body.encode()
def predict_fn(data, model, context):
    order = json.loads(data) if data.startswith(b"{") else {}
    time.sleep(order.get("sleep", 0))
    if "exit" in order: os._exit(order["exit"])
    if "raise" in order: raise ValueError(order["raise"])
    if "status" in order: context.set_response_status(order["status"], "as asked")
    return {"word": model, "pid": os.getpid(), "bytes": len(data), "headers": context.get_all_request_header(0)}
def output_fn(prediction, accept, context):
    context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "set by the model")
    return json.dumps(prediction), accept
"""
"""Answers with what it was asked, and does what a JSON body orders."""


@pytest.fixture(scope="session")
def booster() -> tuple[bytes, npt.NDArray[np.float64]]:
    """A trained XGBoost model as the built-in algorithm leaves it, and rows without their label."""
    rows = shop.table(200)
    trained = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3},
        xgboost.DMatrix(rows[:, 1:].astype(np.float32), label=rows[:, 0]),
        5,
    )
    return bytes(trained.save_raw("ubj")), rows[:, 1:]


@pytest.fixture(scope="session")
def scoring(workshop: Workshop, booster: tuple[bytes, npt.NDArray[np.float64]]) -> str:
    """A model served by the built-in XGBoost."""
    return workshop.model(shop.archive({"xgboost-model": booster[0]}), image=shop.XGBOOST)


@pytest.fixture(scope="session")
def echo(workshop: Workshop) -> str:
    """A model served by ECHO that says "one"."""
    return workshop.served(ECHO, files={"word": "one"})


@pytest.fixture(scope="session")
def other_echo(workshop: Workshop) -> str:
    """Another that says "two"."""
    return workshop.served(ECHO, files={"word": "two"})


@pytest.fixture(scope="session")
def broken(workshop: Workshop) -> str:
    """A model whose code cannot be loaded."""
    return workshop.served("raise RuntimeError('the weights are missing')")
