"""The SM_* variables that a training script reads, as sagemaker-training 5.1 makes them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glasskit.container import hyperparameters, layout

_GROUP = "homogeneousCluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingEnvironment:
    """All facts of a script-mode run. The dictionaries are those of input/config, decoded."""

    where: layout.Layout
    entry_point: str
    module_dir: str
    own: Mapping[str, Any]
    framework: Mapping[str, Any]
    resources: Mapping[str, Any]
    channels: Mapping[str, Any]
    log_level: int
    job_name: str

    @property
    def module_name(self) -> str:
        return self.entry_point.removesuffix(".py")

    @property
    def group(self) -> str:
        return str(self.resources.get("current_group_name", _GROUP))

    @property
    def hosts(self) -> list[str]:
        return list(self.resources.get("hosts", []))

    @property
    def master(self) -> str:
        return self.hosts[0] if self.hosts else ""

    def facts(self) -> dict[str, Any]:
        """What SM_TRAINING_ENV holds, and most SM_* variables by their names in lower case."""
        groups = self.resources.get("instance_groups", [])
        of_group: list[str] = next(
            (group["hosts"] for group in groups if group["instance_group_name"] == self.group), []
        )
        return {
            "additional_framework_parameters": dict(self.framework),
            "channel_input_dirs": {name: str(self.where.channel(name)) for name in self.channels},
            "current_host": self.resources.get("current_host", ""),
            "current_instance_group": self.group,
            "current_instance_group_hosts": of_group,
            "current_instance_type": self.resources.get("current_instance_type", "local"),
            "distribution_hosts": [],
            "distribution_instance_groups": [],
            "framework_module": None,
            "hosts": self.hosts,
            "hyperparameters": dict(self.own),
            "input_config_dir": str(self.where.config),
            "input_data_config": dict(self.channels),
            "input_dir": str(self.where.input),
            "instance_groups": [group["instance_group_name"] for group in groups],
            "instance_groups_dict": {group["instance_group_name"]: group for group in groups},
            "is_hetero": len(groups) > 1,
            "is_master": self.resources.get("current_host", "") == self.master,
            "is_modelparallel_enabled": None,
            "job_name": self.job_name,
            "log_level": self.log_level,
            "master_hostname": self.master,
            "model_dir": str(self.where.model),
            "module_dir": self.module_dir,
            "module_name": self.module_name,
            "network_interface_name": self.resources.get("network_interface_name", "eth0"),
            "num_cpus": len(os.sched_getaffinity(0)),
            "num_gpus": 0,
            "num_neurons": 0,
            "output_data_dir": str(self.where.output / "data"),
            "output_dir": str(self.where.output),
            "output_intermediate_dir": str(self.where.output / "intermediate"),
            "resource_config": dict(self.resources),
            "user_entry_point": self.entry_point,
        }

    def variables(self) -> dict[str, str]:
        """The SM_* variables."""
        facts = self.facts()
        named = {name: facts[name] for name in _AS_THEY_ARE}
        named |= {
            "hps": facts["hyperparameters"],
            "framework_params": facts["additional_framework_parameters"],
            "channels": sorted(self.channels),
            "training_env": facts,
            "user_args": hyperparameters.to_arguments(self.own),
        }
        named |= {f"channel_{name}": str(self.where.channel(name)) for name in self.channels}
        named |= {f"hp_{name}": value for name, value in self.own.items()}
        return {f"SM_{name.upper()}": hyperparameters.to_variable(value) for name, value in named.items()}


_AS_THEY_ARE = (
    "hosts",
    "network_interface_name",
    "user_entry_point",
    "resource_config",
    "input_data_config",
    "output_data_dir",
    "current_host",
    "current_instance_type",
    "current_instance_group",
    "current_instance_group_hosts",
    "instance_groups",
    "instance_groups_dict",
    "distribution_instance_groups",
    "is_hetero",
    "module_name",
    "log_level",
    "framework_module",
    "input_dir",
    "input_config_dir",
    "output_dir",
    "num_cpus",
    "num_gpus",
    "num_neurons",
    "model_dir",
    "module_dir",
    "output_intermediate_dir",
)
