"""Botocore's service models, each loaded the first time it is asked for."""

from __future__ import annotations

import threading

import botocore.loaders
import botocore.model

from glasshouse.kernel import own_services
from glasshouse.kernel.model import rules


class Service:
    """One service's operations and the rules of their shapes. Safe to share between threads."""

    def __init__(self, name: str, model: botocore.model.ServiceModel) -> None:
        self.name = name
        self.model = model
        self.operations: frozenset[str] = frozenset(model.operation_names)
        self._rules: dict[str, rules.Rule] = {}
        self._inputs: dict[str, rules.Structure] = {}
        self._outputs: dict[str, rules.Structure] = {}
        self._lock = threading.Lock()

    def operation(self, name: str) -> botocore.model.OperationModel:
        """Botocore's model of the operation. Raises KeyError when the service has none of that name."""
        if name not in self.operations:
            raise KeyError(f"{self.name} has no operation {name}")
        return self.model.operation_model(name)

    def input(self, operation: str) -> rules.Structure:
        """The rules of the operation's input; a structure without members when it takes none."""
        found = self._inputs.get(operation)
        return found or self._resolve(self._inputs, operation, self.operation(operation).input_shape)

    def output(self, operation: str) -> rules.Structure:
        """The rules of the operation's output; a structure without members when it answers nothing."""
        found = self._outputs.get(operation)
        return found or self._resolve(self._outputs, operation, self.operation(operation).output_shape)

    def _resolve(
        self,
        into: dict[str, rules.Structure],
        operation: str,
        shape: botocore.model.StructureShape | None,
    ) -> rules.Structure:
        with self._lock:
            rule = rules.resolve(shape, self._rules) if shape is not None else _NOTHING
            if not isinstance(rule, rules.Structure):
                raise TypeError(f"the shape of {operation} is a {type(rule).__name__}, not a structure")
            into[operation] = rule
            return rule


_NOTHING = rules.Structure(name="Nothing", required=(), union=False)


class Services:
    """Service models by botocore's names ("sagemaker", "sagemaker-runtime", "logs", "sts", "iam", ...).

    Only the models inside the installed botocore and our own ("glasshouse") count: a model in the home directory of whoever starts the server
    changes nothing.
    """

    def __init__(self) -> None:
        loader = botocore.loaders.Loader
        self._loader = loader(
            extra_search_paths=[loader.BUILTIN_DATA_PATH, str(own_services.FOLDER)],
            include_default_search_paths=False,
        )
        self._loaded: dict[str, Service] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Service:
        """The service. Raises KeyError when botocore knows none of that name."""
        found = self._loaded.get(name)
        return found or self._load(name)

    def _load(self, name: str) -> Service:
        with self._lock:
            if name not in self._loaded:
                try:
                    description = self._loader.load_service_model(name, "service-2")
                except botocore.loaders.UnknownServiceError as exc:
                    raise KeyError(f"botocore knows no service {name}") from exc
                model = botocore.model.ServiceModel(description, service_name=name)
                self._loaded[name] = Service(name, model)
            return self._loaded[name]
