"""Explanations in plain words and numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from glasskit.explain.explanations import Attribution

_LEVEL = "__"
_MANY = 1e15
_LARGEST_EXPONENT = 700.0
_SMALL_FACTOR = 0.01
_WORD = re.compile(r"[a-z][a-z'’]*", re.IGNORECASE)
_VOWELS = re.compile(r"[aeiouy]+")
_SENTENCE_END = re.compile(r"[.!?:]+(?=\s|$)|\n\s*\n|\n(?=\s*(?:\d+\.|-)\s)")


def decision(
    attribution: Attribution,
    *,
    outcome: str = "default",
    max_reasons: int = 3,
    threshold: float | None = None,
) -> str:
    """A decision in two to four sentences: the prediction, the baseline, what raised and what lowered it.

    >>> why = Attribution(names=["age", "income"], values=[0.5, -1.0], base_value=0.0, data=[23, 4100])
    >>> decision(why)
    'The model puts the risk of default at 37.8 % (baseline 50.0 %). What raised it most: age is 23 (odds × 1.65). What lowered it most: income is 4,100 (odds × 0.37).'
    """
    sentences = [
        f"The model puts {_subject(attribution, outcome)} at {amount(attribution, attribution.prediction)} "
        f"(baseline {amount(attribution, attribution.baseline)})."
    ]
    if threshold is not None:
        side = "above" if attribution.prediction > threshold else "not above"
        sentences.append(f"That is {side} the threshold of {amount(attribution, threshold)}.")
    ranked = sorted(range(len(attribution.names)), key=lambda index: -abs(attribution.values[index]))
    raised = [index for index in ranked if attribution.values[index] > 0][:max_reasons]
    lowered = [index for index in ranked if attribution.values[index] < 0][:max_reasons]
    if raised:
        sentences.append(f"What raised it most: {_reasons(attribution, raised)}.")
    if lowered:
        sentences.append(f"What lowered it most: {_reasons(attribution, lowered)}.")
    if not raised and not lowered:
        sentences.append("Nothing in the data moved it away from the baseline.")
    return " ".join(sentences)


def counterfactual(
    before: Attribution,
    after: Attribution,
    *,
    changes: Mapping[str, tuple[object, object]],
    outcome: str = "default",
) -> str:
    """What the prediction would have been with some values changed; changes: name -> (old, new)."""
    changed = " and ".join(
        f"{label(before, name)} were {value(new)} instead of {value(old)}"
        for name, (old, new) in changes.items()
    )
    difference = after.prediction - before.prediction
    verb = "rise" if difference > 0 else "fall" if difference < 0 else "stay"
    return (
        f"If {changed or 'nothing changed'}, {_subject(before, outcome)} would {verb} from "
        f"{amount(before, before.prediction)} to {amount(after, after.prediction)}."
    )


def label(attribution: Attribution, name: str) -> str:
    """The name a reader sees: the label given, or the name made readable."""
    return attribution.labels.get(name) or readable(name)


def readable(name: str) -> str:
    """A hierarchical column name as text.

    >>> readable("finance__accounts__checking__balance")
    'finance › accounts › checking › balance'
    """
    return " › ".join(part.replace("_", " ").strip() for part in name.split(_LEVEL) if part)


def value(given: object) -> str:
    """A feature's value as a reader writes it.

    >>> value(4100.0), value(0.123456), value(True), value(float("nan")), value("no_account")
    ('4,100', '0.1235', 'yes', 'missing', 'no account')
    """
    if given is None:
        return "missing"
    if isinstance(given, bool) or type(given).__name__ == "bool":
        return "yes" if given else "no"
    if isinstance(given, int | float):
        return _number(as_float(given))
    return str(given).replace("_", " ")


def as_float(given: int | float) -> float:
    """A number as a float; an integer too large to be one is infinite."""
    try:
        return float(given)
    except OverflowError:
        return math.inf if given > 0 else -math.inf


def percent(share: float) -> str:
    """A probability as a percentage; never 0 % or 100 % unless it is exactly that.

    >>> percent(0.6321), percent(0.00001), percent(0.9999999), percent(1.0)
    ('63.2 %', 'under 0.1 %', 'over 99.9 %', '100 %')
    """
    if share in (0.0, 1.0):
        return f"{share * 100:.0f} %"
    if share < 0.001:
        return "under 0.1 %"
    return "over 99.9 %" if share > 0.999 else f"{share * 100:.1f} %"


def amount(attribution: Attribution, prediction: float) -> str:
    """A prediction in the unit of its link."""
    return percent(prediction) if attribution.link == "logistic" else value(prediction)


def effect(attribution: Attribution, contribution: float) -> str:
    """What a contribution does to the prediction: a factor on the odds, a factor, or a difference."""
    if attribution.link == "logistic":
        return f"odds × {_factor(contribution * attribution.link_scale)}"
    if attribution.link == "exp":
        return f"× {_factor(contribution)}"
    return f"{contribution:+.4g}".replace("-", "−")


def reading_grade(text: str) -> float:
    """The Flesch-Kincaid grade of an English text: the years of school it takes to read it with ease.

    0.39 words per sentence + 11.8 syllables per word - 15.59 (Kincaid et al., 1975). A line that ends
    without a full stop, like an item of a list, counts as a sentence. Syllables are runs of vowels, less a
    silent e: right for most words, and close on average. Raises ValueError for a text without words.

    >>> round(reading_grade("We cannot approve it. You asked for a lot of money."), 1)
    2.6
    """
    found = _WORD.findall(text.lower())
    if not found:
        raise ValueError("a text without words has no reading grade")
    n_sentences = sum(bool(_WORD.search(part)) for part in _SENTENCE_END.split(text))
    n_syllables = sum(map(_syllables, found))
    return 0.39 * len(found) / n_sentences + 11.8 * n_syllables / len(found) - 15.59


def _syllables(word: str) -> int:
    runs = len(_VOWELS.findall(word))
    silent = word.endswith("e") and not word.endswith("le") and runs > 1
    return max(runs - silent, 1)


def _factor(exponent: float) -> str:
    if abs(exponent) > _LARGEST_EXPONENT:
        return "beyond measure"
    factor = math.exp(exponent)
    return f"{factor:.2f}" if _SMALL_FACTOR <= factor < 1 / _SMALL_FACTOR else f"{factor:.2g}"


def _subject(attribution: Attribution, outcome: str) -> str:
    return f"the risk of {outcome}" if attribution.link == "logistic" else f"the {outcome}"


def _reasons(attribution: Attribution, indices: Sequence[int]) -> str:
    return ", ".join(_reason(attribution, index) for index in indices)


def _reason(attribution: Attribution, index: int) -> str:
    name, given = attribution.names[index], attribution.data[index]
    what = label(attribution, name)
    if given is not None:
        what += f" is {value(given)}"
    return f"{what} ({effect(attribution, attribution.values[index])})"


def _number(number: float) -> str:
    if math.isnan(number):
        return "missing"
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    text = f"{number:,.0f}" if number == int(number) and abs(number) < _MANY else f"{number:.4g}"
    return text.replace("-", "−")
