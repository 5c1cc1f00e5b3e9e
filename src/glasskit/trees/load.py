"""Model files -> ensembles, by content and without executing anything the file holds."""

from __future__ import annotations

import json
import pathlib
import tempfile
from typing import Any, Protocol, runtime_checkable

from glasskit.trees import catboost, catboost_binary, ensembles, errors, lightgbm, portable, scikit, xgboost

_SIGNS_OF_PICKLE = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@runtime_checkable
class LightGBMBooster(Protocol):
    """A fitted `lightgbm.Booster`."""

    def model_to_string(self) -> str: ...


@runtime_checkable
class XGBoostBooster(Protocol):
    """A fitted `xgboost.Booster`."""

    def save_raw(self, raw_format: str = ...) -> bytearray: ...


@runtime_checkable
class LightGBMEstimator(Protocol):
    """A fitted `lightgbm.LGBMClassifier`, `LGBMRegressor` or `LGBMRanker`."""

    @property
    def booster_(self) -> LightGBMBooster: ...


@runtime_checkable
class XGBoostEstimator(Protocol):
    """A fitted `xgboost.XGBClassifier`, `XGBRegressor`, `XGBRanker` or one of its forests."""

    def get_booster(self) -> Any: ...


@runtime_checkable
class CatBoostModel(Protocol):
    """A fitted `catboost.CatBoost`, `CatBoostClassifier`, `CatBoostRegressor` or `CatBoostRanker`."""

    @property
    def tree_count_(self) -> int | None: ...

    def save_model(self, fname: str, format: str = ...) -> None: ...


@runtime_checkable
class ScikitEstimator(Protocol):
    """A fitted tree, forest or boosted ensemble of scikit-learn; its pickled file is not read."""

    def get_params(self) -> dict[str, object]: ...


Source = (
    str
    | pathlib.Path
    | bytes
    | LightGBMBooster
    | LightGBMEstimator
    | XGBoostBooster
    | XGBoostEstimator
    | CatBoostModel
    | ScikitEstimator
)


def load(source: Source) -> ensembles.Ensemble:
    """The ensemble in a model file (path), a model's text or bytes, a fitted booster or estimator.

    LightGBM text, XGBoost JSON and UBJ, CatBoost JSON and binary, and the portable form are told apart by content.
    After early stopping the trees are those that the object predicts with.
    """
    if isinstance(source, pathlib.Path):
        return _from_bytes(source.read_bytes())
    if isinstance(source, bytes):
        return _from_bytes(source)
    if isinstance(source, str):
        is_text = "\n" in source or source.lstrip().startswith("{")
        return _from_bytes(source.encode() if is_text else pathlib.Path(source).read_bytes())
    if isinstance(source, LightGBMBooster):
        return lightgbm.from_text(source.model_to_string())
    if isinstance(source, LightGBMEstimator):
        return lightgbm.from_text(source.booster_.model_to_string())
    if isinstance(source, XGBoostEstimator):
        return load(_as_the_estimator_predicts(source.get_booster()))
    if isinstance(source, XGBoostBooster):
        return xgboost.from_ubj(bytes(source.save_raw(raw_format="ubj")))
    if isinstance(source, CatBoostModel):
        return _from_catboost(source)
    if scikit.is_estimator(source):
        return scikit.from_estimator(source)
    raise errors.ModelUnsupported(f"A {type(source).__name__}", "Give a model file, its text or a booster.")


def _as_the_estimator_predicts(booster: Any) -> XGBoostBooster:
    """XGBoost's estimators predict with the trees up to the best iteration, its Booster with all."""
    best = booster.attr("best_iteration")
    kept: XGBoostBooster = booster if best is None else booster[: int(best) + 1]
    return kept


def _from_bytes(data: bytes) -> ensembles.Ensemble:
    if data.startswith(_SIGNS_OF_PICKLE):
        raise errors.ModelUnsupported(
            "A pickled model", "Save it in the library's own format: reading a pickle runs its code."
        )
    if data.startswith(catboost_binary.MAGIC):
        return catboost.from_document(catboost_binary.document(data))
    if data.startswith(portable.MAGIC[:-1]):
        return portable.from_bytes(data)
    if data[:1] == b"{" and data[1:2] in (b"L", b"i", b"U", b"I", b"l", b"$", b"#"):
        return xgboost.from_ubj(data)
    if data.lstrip()[:1] == b"{":
        return _from_json(data)
    try:
        return lightgbm.from_text(data.decode())
    except UnicodeDecodeError as exc:
        raise errors.ModelUnreadable("LightGBM or XGBoost", "it is neither text nor UBJ") from exc


def _from_json(data: bytes) -> ensembles.Ensemble:
    try:
        document = json.loads(data)
    except json.JSONDecodeError as exc:
        raise errors.ModelUnreadable("JSON", f"it breaks at line {exc.lineno}: {exc.msg}") from exc
    except (UnicodeDecodeError, RecursionError) as exc:
        raise errors.ModelUnreadable("JSON", "it is not JSON that could be a model") from exc
    if catboost.looks_like(document):
        return catboost.from_document(document)
    return xgboost.from_document(document)


def _from_catboost(model: CatBoostModel) -> ensembles.Ensemble:
    if model.tree_count_ is None:
        raise errors.ModelUnreadable("CatBoost", "it has not been fitted")
    with tempfile.TemporaryDirectory(prefix="catboost-") as folder:
        path = pathlib.Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        return catboost.from_json(path.read_bytes())
