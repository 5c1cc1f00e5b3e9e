"""Answers invocations with a user's module: model_fn, input_fn, predict_fn, output_fn, or transform_fn.

The rules are those of sagemaker-inference 1.10 and the scikit-learn image: transform_fn excludes the other three,
each function may take a context as one more argument, Content-Type and Accept arrive word for word, and `*/*`
stands for SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from glasskit.container import contexts, requests
from glasskit.data import arrays, faults

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_TEXT_TYPES = ("application/json", "text/csv")
"""Bodies of exactly these types reach input_fn as str, all others as bytes."""


class WrongModule(Exception):
    """The user's module does not follow the rules; the text says which."""


def _default_input(body: bytes | str, content_type: str) -> Any:
    decoded = arrays.decode(body, content_type)
    numeric = hasattr(decoded, "dtype") and decoded.dtype.kind in "iufb"
    return decoded.astype("float32") if content_type in _TEXT_TYPES and numeric else decoded


def _default_predict(data: Any, model: Any) -> Any:
    return model.predict(data) if hasattr(model, "predict") else model(data)


def _booster_input(body: bytes | str, content_type: str) -> Any:
    """What XGBoost's script mode hands to predict_fn: a DMatrix."""
    import xgboost

    from glasskit.data import readers

    raw = body.encode() if isinstance(body, str) else body
    return xgboost.DMatrix(readers.parse(raw, content_type).features)


def _booster_rows(body: bytes | str, content_type: str) -> Any:
    """The same as an array; None where it is sparse."""
    import numpy as np

    from glasskit.data import readers

    raw = body.encode() if isinstance(body, str) else body
    features = readers.parse(raw, content_type).features
    return features if isinstance(features, np.ndarray) else None


def _booster_predict(data: Any, model: Any) -> Any:
    import xgboost

    if isinstance(model, xgboost.Booster):
        return model.predict(data, validate_features=False)
    return _default_predict(data, model)


class UserHandler:
    """Serves a module. `algorithm` is the image's own, whose defaults fill what the module leaves out."""

    def __init__(self, module: ModuleType, *, model_dir: str, default_accept: str, algorithm: str) -> None:
        self._model_dir = model_dir
        self._default_accept = default_accept or "application/json"
        self._execution_parameters = getattr(module, "execution_parameters_fn", None)
        self._transform, self._input, self._predict, self._output = _functions(module, algorithm)
        model_fn = getattr(module, "model_fn", None)
        if model_fn is None:
            raise WrongModule("Please provide a model_fn implementation.")
        context = contexts.Context(model_dir, {})
        self._model = _call(model_fn, (model_dir,), context)
        is_own = self._transform is not None or hasattr(module, "predict_fn")
        self._scored = (
            None if is_own else requests.Scored(model=self._model, float32=self._input is _default_input)
        )

    def execution_parameters(self) -> Mapping[str, object]:
        return self._execution_parameters() if self._execution_parameters else {}

    def scored_by(self) -> requests.Scored | None:
        """What model_fn answered, unless predict_fn or transform_fn stand between. An input_fn may."""
        return self._scored

    def features(self, request: requests.Request) -> npt.NDArray[np.float64] | None:
        """What input_fn, or the image's own, makes of the request, if it is rows of numbers."""
        import numpy as np

        if self._scored is None:
            return None
        context = contexts.Context(self._model_dir, request.headers)
        body: bytes | str = request.body
        if request.content_type in _TEXT_TYPES:
            body = request.body.decode("utf-8", "replace")
        read = _booster_rows if self._input is _booster_input else self._input
        found = _translated(415, read, (body, request.content_type), context)
        try:
            rows = np.asarray(found, dtype=np.float64)
        except (TypeError, ValueError):
            return None
        return rows if rows.ndim == 2 else None

    def invoke(self, request: requests.Request) -> requests.Answer:
        """An error of the user's code becomes 500 with the last line of its traceback; the log has all of it."""
        accept = requests.accepted(request.accept, self._default_accept)
        context = contexts.Context(self._model_dir, request.headers)
        body: bytes | str = request.body
        if request.content_type in _TEXT_TYPES:
            try:
                body = request.body.decode("utf-8")
            except UnicodeDecodeError as exc:
                raise requests.Rejected(415, f"The body is not UTF-8: {exc}") from exc
        try:
            result = self._answer(body, request.content_type, accept, context)
        except requests.Rejected:
            raise
        except (
            Exception
        ) as exc:  # the door of the user's code: whatever it raises is answered, not ours to crash on
            traceback.print_exc()
            raise requests.Rejected(500, traceback.format_exception_only(exc)[-1].strip()) from exc
        return _as_answer(result, accept, context)

    def _answer(self, body: bytes | str, content_type: str, accept: str, context: contexts.Context) -> Any:
        if self._transform is not None:
            return _call(self._transform, (self._model, body, content_type, accept), context)
        data = _translated(415, self._input, (body, content_type), context)
        prediction = _call(self._predict, (data, self._model), context)
        return _translated(406, self._output, (prediction, accept), context)


def _functions(
    module: ModuleType, algorithm: str
) -> tuple[Callable[..., Any] | None, Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """transform_fn or None, then input_fn, predict_fn and output_fn or their defaults. Raises WrongModule."""
    given = {name: getattr(module, name, None) for name in ("input_fn", "predict_fn", "output_fn")}
    transform = getattr(module, "transform_fn", None)
    if transform is not None and any(given.values()):
        raise WrongModule(
            "Cannot use transform_fn implementation in conjunction with input_fn, predict_fn, and/or output_fn "
            "implementation"
        )
    is_xgboost = algorithm == "xgboost"
    return (
        transform,
        given["input_fn"] or (_booster_input if is_xgboost else _default_input),
        given["predict_fn"] or (_booster_predict if is_xgboost else _default_predict),
        given["output_fn"] or arrays.encode,
    )


def _call(function: Callable[..., Any], arguments: tuple[Any, ...], context: contexts.Context) -> Any:
    """Passes the context to functions that take one argument more."""
    n_parameters = len(inspect.signature(function).parameters)
    if n_parameters == len(arguments) + 1:
        return function(*arguments, context)
    if n_parameters != len(arguments):
        raise TypeError(
            f"{function.__name__} takes {n_parameters} arguments but {len(arguments)} were given."
        )
    return function(*arguments)


def _translated(
    status: int, function: Callable[..., Any], arguments: tuple[Any, ...], context: contexts.Context
) -> Any:
    """Calls; a type that our own defaults do not know, or cannot read, becomes the status."""
    try:
        return _call(function, arguments, context)
    except faults.UnsupportedType as exc:
        raise requests.Rejected(
            status,
            f"Content type {exc.content_type} is not supported by this framework. Please implement input_fn to "
            "deserialize the request data or an output_fn to serialize the response.",
        ) from exc
    except faults.DataFault as exc:
        raise requests.Rejected(status, str(exc)) from exc


def _as_answer(result: Any, accept: str, context: contexts.Context) -> requests.Answer:
    content_type = context.response_content_type or accept
    if isinstance(result, tuple) and len(result) == 2:
        result, content_type = result
    if isinstance(result, str):
        body = result.encode()
    elif isinstance(result, bytes | bytearray | memoryview):
        body = bytes(result)
    else:
        try:
            body = arrays.encode(result, content_type)
        except (faults.DataFault, TypeError, ValueError) as exc:
            raise requests.Rejected(406, f"The answer of output_fn cannot be written: {exc}") from exc
    status = context.response_status[0] if context.response_status else 200
    return requests.Answer(
        status=status, body=body, content_type=content_type, headers=context.response_headers
    )
