"""Takes decisions: margin, prediction, outcome, explanation and reasons of every row, the same bits every time."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit import trees
from glasskit.decisions import bundles
from glasskit.explain import explanations, policies, reasons

Floats = npt.NDArray[np.float64]

METHOD = "tree-path-dependent"


class Decider:
    """Decides with one bundle. Nothing depends on the number of rows, threads, or the kind of processor."""

    def __init__(self, bundle: bundles.Bundle) -> None:
        """Raises policies.PolicyInvalid, ValueError for a baseline that cannot be read."""
        self.bundle = bundle
        self._explainer = trees.Explainer(bundle.ensemble, n_threads=1)
        rule = bundle.rule
        self._policy = policies.parse(rule.policy) if rule.policy else None
        self._baseline = reasons.Baseline.read(rule.baseline) if rule.baseline else None

    def decide(self, rows: Floats, *, on: datetime.date) -> list[dict[str, Any]]:
        """A decision for each row (n, F): JSON-ready, but that numbers may be NaN or infinite.

        on: the day, by which a policy is in force or not.
        """
        rows = np.atleast_2d(np.asarray(rows, dtype=np.float64))
        margins = self._explainer.predict_margin(rows)
        predictions = self.bundle.ensemble.link.apply(margins)
        explanation = self._explainer.shap_values(rows)
        return [
            self._decision(rows[i], margins[i], predictions[i], explanation, i, on) for i in range(len(rows))
        ]

    def _decision(
        self,
        row: Floats,
        margin: Any,
        prediction: Any,
        explanation: explanations.Explanation,
        index: int,
        on: datetime.date,
    ) -> dict[str, Any]:
        rule = self.bundle.rule
        is_single = np.ndim(prediction) == 0
        decision: dict[str, Any] = {
            "features": row.tolist(),
            "margin": np.asarray(margin).tolist(),
            "prediction": np.asarray(prediction).tolist(),
            "threshold": rule.threshold,
            "outcome": rule.outcome(float(prediction)) if is_single else "",
            "explanation": {
                "method": METHOD,
                "base": np.asarray(explanation.base_values[index]).tolist(),
                "values": explanation.values[index].tolist(),
            },
            "reasons": [],
            "on": on.isoformat(),
        }
        if self._policy is not None:
            decision |= self._reasoned(self._policy, explanation.row(index), float(margin), on)
        return decision

    def _reasoned(
        self, policy: policies.Policy, attribution: explanations.Attribution, margin: float, on: datetime.date
    ) -> dict[str, Any]:
        """What the policy makes of it. No verified reason, no automatic decision: the outcome then says so."""
        found = reasons.decide(attribution, policy, margin=margin, on=on, baseline=self._baseline).as_dict()
        return {
            "threshold": policy.threshold,
            "outcome": found["outcome"],
            "reasons": found.get("reasons", []),
            "policy": found,
        }
