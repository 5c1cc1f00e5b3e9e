"""Online explanations against their definition: every record, any model, any number of features."""

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from glasskit import trees
from glasskit.clarify import online, online_rows, online_settings
from glasskit.clarify.online_questions import Reply

Floats = npt.NDArray[np.float64]
Score = Callable[[Floats], Floats]


class Model:
    """Answers CSV with a function of numbers, and remembers how many records each call had."""

    def __init__(self, score: Score, *, most: int = 10**9) -> None:
        self.score = score
        self.most = most
        self.calls: list[int] = []

    def __call__(self, body: bytes, content_type: str, accept: str) -> Reply:
        rows = np.array([[float(cell) for cell in line.split(",")] for line in body.decode().split()])
        if len(rows) > self.most:
            return Reply(status=413, body=b"too many", content_type="text/plain")
        self.calls.append(len(rows))
        scores = self.score(rows).reshape(len(rows), -1)
        text = "\n".join(",".join(repr(float(value)) for value in row) for row in scores)
        return Reply(status=200, body=text.encode(), content_type="text/csv")


def config(baseline: str, **changes: Any) -> dict[str, Any]:
    shap = {"ShapBaselineConfig": {"ShapBaseline": baseline}, **changes.pop("shap", {})}
    return {"ShapConfig": shap, **changes}


def explainer(model: Model, baseline: Floats, **changes: Any) -> online.Explainer:
    text = csv(baseline)
    readable = changes.pop("readable", None)
    read = online_rows.checked(config(text, **changes))
    return online.Explainer(read, text.encode(), model, readable=readable)


def csv(rows: Floats) -> str:
    return "\n".join(",".join(repr(float(value)) for value in row) for row in rows)


def explained(one: online.Explainer, rows: Floats) -> tuple[online.Explained, Floats]:
    """The answer, and its attributions as (n, F, K)."""
    answer = one.answer(online.Asked(body=csv(rows).encode(), content_type="text/csv", accept="text/csv"))
    assert isinstance(answer, online.Explained)
    listed = json.loads(answer.body)["explanations"]["kernel_shap"]
    values = [[feature["attributions"][0]["attribution"] for feature in record] for record in listed]
    return answer, np.array(values)


def by_definition(score: Score, row: Floats, background: Floats) -> Floats:
    """Shapley values of one row, from their definition; (F, K)."""
    n = len(row)

    def worth(coalition: frozenset[int]) -> Floats:
        mixed = background.copy()
        mixed[:, list(coalition)] = row[list(coalition)]
        return score(mixed).reshape(len(mixed), -1).mean(axis=0)

    values = []
    for player in range(n):
        others = [other for other in range(n) if other != player]
        total = 0.0
        for size in range(n):
            weight = 1 / (n * math.comb(n - 1, size))
            for chosen in itertools.combinations(others, size):
                some = frozenset(chosen)
                total = total + weight * (worth(some | {player}) - worth(some))
        values.append(total)
    return np.array(values)


def wavy(rows: Floats) -> Floats:
    return np.column_stack([np.sin(rows).sum(axis=1) * rows[:, 0], rows[:, -1] * rows[:, 0]])


def knotted(rows: Floats) -> Floats:
    """Depends on three features at a time."""
    return np.tanh(rows[:, 0] * rows[:, 1] * rows[:, 2] + rows[:, 3:6].prod(axis=1)) + rows.sum(axis=1)


cells = st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0])


@given(data=st.data(), n=st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_attributions_of_any_model_are_its_shapley_values(data: st.DataObject, n: int) -> None:
    rows = data.draw(arrays.arrays(np.float64, (data.draw(st.integers(1, 3)), n), elements=cells))
    background = data.draw(arrays.arrays(np.float64, (data.draw(st.integers(1, 3)), n), elements=cells))
    _, values = explained(explainer(Model(wavy), background), rows)
    for at, row in enumerate(rows):
        np.testing.assert_allclose(values[at], by_definition(wavy, row, background), atol=1e-9)


def test_many_features_are_sampled_as_much_as_asked_for_and_add_up() -> None:
    random = np.random.default_rng(0)
    rows, background = random.normal(size=(3, 16)), random.normal(size=(2, 16))
    model = Model(knotted)
    answer, values = explained(explainer(model, background, shap={"NumberOfSamples": 300}), rows)
    assert answer.method == "kernel-shap"
    assert model.calls[:2] == [3, 2]
    assert len(model.calls) == 3
    assert model.calls[2] <= 3 * 2 * 300
    differences = knotted(rows) - knotted(background).mean()
    np.testing.assert_allclose(values.sum(axis=1)[:, 0], differences, atol=1e-9)
    _, again = explained(explainer(Model(knotted), background, shap={"NumberOfSamples": 300}), rows[1:])
    np.testing.assert_allclose(again, values[1:], atol=1e-12)
    seeded = {"NumberOfSamples": 300, "Seed": 1}
    _, other = explained(explainer(Model(knotted), background, shap=seeded), rows)
    assert np.abs(other - values).max() > 1e-6


@pytest.mark.parametrize(("n", "n_rows"), [(2, 2), (10, 1022), (20, 2088)])
def test_the_synthetic_records_are_no_more_than_the_documented_number(n: int, n_rows: int) -> None:
    model = Model(lambda rows: rows.sum(axis=1))
    _, values = explained(explainer(model, np.zeros((1, n))), np.ones((1, n)))
    np.testing.assert_allclose(values[0, :, 0], 1.0, atol=1e-9)
    assert model.calls[:2] == [1, 1]
    assert len(model.calls) == 3
    assert 0 < model.calls[2] <= n_rows


def test_features_that_are_as_in_the_baseline_cost_nothing_and_get_nothing() -> None:
    model = Model(wavy)
    _, values = explained(explainer(model, np.zeros((1, 12))), np.eye(12)[:1] * 2)
    assert model.calls == [1, 1]
    assert np.count_nonzero(values[0, :, 0]) == 1


def test_a_model_that_can_bear_few_records_is_asked_in_smaller_requests() -> None:
    model = Model(wavy, most=50)
    rows, background = np.ones((2, 7)), np.zeros((1, 7))
    _, values = explained(explainer(model, background), rows)
    assert max(model.calls) <= 50
    _, whole = explained(explainer(Model(wavy), background), rows)
    np.testing.assert_array_equal(values, whole)


def test_max_record_count_is_kept_to_and_a_failure_below_it_is_told() -> None:
    bound = {"InferenceConfig": {"MaxRecordCount": 30}}
    model = Model(wavy)
    explained(explainer(model, np.zeros((2, 6)), **bound), np.ones((1, 6)))
    assert max(model.calls) == 30
    with pytest.raises(online.ExplanationFailed, match=r"answered 413 to 30 synthetic records: too many"):
        explained(explainer(Model(wavy, most=20), np.zeros((2, 6)), **bound), np.ones((1, 6)))


@pytest.mark.slow
def test_max_payload_is_kept_to() -> None:
    sizes: list[int] = []
    model = Model(wavy)

    def measured(body: bytes, content_type: str, accept: str) -> Reply:
        sizes.append(len(body))
        return model(body, content_type, accept)

    text = csv(np.full((25, 10), 0.123456789))
    read = online_settings.read(config(text[:4096], InferenceConfig={"MaxPayloadInMB": 1}))
    rows = np.arange(10.0)[np.newaxis] + 0.987654321
    explained(online.Explainer(read, text.encode(), measured), rows)
    assert len(sizes) == 2 + 4
    assert max(sizes) <= 1 << 20


def test_log_odds_of_what_is_no_probability_are_refused() -> None:
    one = explainer(Model(lambda rows: rows.sum(axis=1)), np.full((1, 3), 0.1), shap={"UseLogit": True})
    with pytest.raises(online.ExplanationFailed, match="UseLogit explains log-odds"):
        explained(one, np.ones((1, 3)))


def logistic(rows: Floats) -> Floats:
    return 1 / (1 + np.exp(-rows.sum(axis=1)))


def test_log_odds_of_a_logistic_model_are_its_terms() -> None:
    rows, background = np.array([[1.0, -2.0, 0.5]]), np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    _, values = explained(explainer(Model(logistic), background, shap={"UseLogit": True}), rows)
    np.testing.assert_allclose(values[0, :, 0], rows[0] - background.mean(axis=0), atol=1e-9)


# --- trees


@pytest.fixture(scope="module")
def fitted() -> lightgbm.Booster:
    random = np.random.default_rng(3)
    rows = random.normal(size=(400, 20)).round(3)
    label = np.digitize(rows[:, 0] + rows[:, 1] * rows[:, 2], [-0.5, 0.5])
    parameters = {"objective": "multiclass", "num_class": 3, "verbosity": -1, "num_leaves": 5}
    return lightgbm.train(parameters, lightgbm.Dataset(rows, label=label), 5)


def readable(booster: lightgbm.Booster) -> online.Readable:
    return online.Readable(ensemble=trees.load(booster))


@pytest.mark.slow
def test_trees_are_not_asked_for_what_they_can_be_read(fitted: lightgbm.Booster) -> None:
    random = np.random.default_rng(1)
    rows, background = random.normal(size=(2, 20)).round(2), random.normal(size=(3, 20)).round(2)
    asked = Model(lambda some: np.asarray(fitted.predict(some)))
    one = explainer(asked, background, readable=readable(fitted), shap={"NumberOfSamples": 1500})
    assert one.reads_trees
    asked.calls.clear()
    answer, values = explained(one, rows)
    assert asked.calls == [2]
    assert answer.n_calls == 0
    _, sampled = explained(explainer(asked, background, shap={"NumberOfSamples": 1500}), rows)
    np.testing.assert_allclose(values, sampled, atol=1e-2)
    base = np.asarray(fitted.predict(background)).mean(axis=0)
    np.testing.assert_allclose(values.sum(axis=1), np.asarray(fitted.predict(rows)) - base, atol=1e-9)


def test_one_class_of_several_is_found_among_the_trees_outputs(fitted: lightgbm.Booster) -> None:
    rows, background = np.full((1, 20), 0.3), np.zeros((1, 20))
    of_class = Model(lambda some: np.asarray(fitted.predict(some))[:, 2])
    one = explainer(of_class, background, readable=readable(fitted))
    _, values = explained(one, rows)
    assert one.reads_trees
    expected = np.asarray(fitted.predict(rows))[0, 2] - np.asarray(fitted.predict(background))[0, 2]
    assert values[0].sum() == pytest.approx(expected)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda rows: rows * 2.0, id="scaled"),
        pytest.param(lambda rows: rows[:, ::-1], id="reversed"),
        pytest.param(lambda rows: np.where(rows > 1, 1.0, rows), id="clipped"),
    ],
)
def test_trees_behind_code_that_changes_the_features_are_not_believed(
    fitted: lightgbm.Booster, changed: Callable[[Floats], Floats]
) -> None:
    asked = Model(lambda rows: np.asarray(fitted.predict(changed(rows))))
    one = explainer(asked, np.zeros((1, 20)), readable=readable(fitted))
    assert not one.reads_trees


@pytest.mark.slow
def test_a_record_on_which_trees_and_model_differ_is_explained_by_asking(fitted: lightgbm.Booster) -> None:
    def special(rows: Floats) -> Floats:
        scores = np.array(fitted.predict(rows))
        scores[(rows == 77.0).any(axis=1)] = 1 / 3
        return scores

    asked = Model(special)
    one = explainer(asked, np.zeros((1, 20)), readable=readable(fitted))
    assert one.reads_trees
    rows = np.zeros((1, 20))
    rows[0, :3] = [77.0, 1.0, -1.0]
    answer, values = explained(one, rows)
    assert answer.n_calls == 2
    np.testing.assert_allclose(values[0, :3], by_definition_of(special, rows[0]), atol=1e-9)


def by_definition_of(score: Score, row: Floats) -> Floats:
    """Shapley values of the first three features against zero; the others are zero too."""

    def widened(some: Floats) -> Floats:
        return score(np.hstack([some, np.zeros((len(some), len(row) - 3))]))

    return by_definition(widened, row[:3], np.zeros((1, 3)))


@pytest.mark.parametrize("n", range(1, 9))
def test_the_smallest_number_of_samples_that_is_accepted_adds_up(n: int) -> None:
    rows, background = np.arange(1.0, n + 1)[np.newaxis], np.zeros((1, n))
    least = max(1, min(2 * n, 2**n - 2))
    _, values = explained(explainer(Model(wavy), background, shap={"NumberOfSamples": least}), rows)
    np.testing.assert_allclose(values[0].sum(axis=0), wavy(rows)[0] - wavy(background)[0], atol=1e-9)
    if n > 1:
        with pytest.raises(online_settings.Refused, match=f"need at least {least}"):
            explainer(Model(wavy), background, shap={"NumberOfSamples": least - 1})
