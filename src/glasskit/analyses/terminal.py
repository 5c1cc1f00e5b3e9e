"""Explanations as lines of text, readable without colour and by screen readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from glasskit.charts import axes, waterfall
from glasskit.explain import words
from glasskit.explain.explanations import Attribution

_BAR = 32
_LONGEST_LABEL = 38


def waterfall_lines(chart: waterfall.Waterfall, *, top: str = "prediction") -> Iterator[str]:
    """From the prediction (`top`) down to the baseline; each step's bar stands where it moves the margin, + up and - down."""
    margins = [chart.base_margin, *(step.end_margin for step in chart.steps)]
    low, high = min(margins), max(margins)
    span = (high - low) or 1.0
    decimals = axes.decimals_for(max((abs(step.contribution) for step in chart.steps), default=0.0))

    def place(margin: float) -> int:
        return round((margin - low) / span * (_BAR - 1))

    steps = list(reversed(chart.steps))
    labels = [_label(step) for step in steps]
    width = max([len(top), len("baseline"), *map(len, labels)])
    yield _line(top, " " * place(chart.margin) + "|", "", chart.prediction_text, width)
    for step, label in zip(steps, labels, strict=True):
        start, end = sorted((place(step.start_margin), place(step.end_margin)))
        sign = "+" if step.raises else "-" if step.contribution < 0 else "."
        bar = " " * start + sign * max(1, end - start)
        effect = step.effect_text if step.contribution else "no effect"
        yield _line(label, bar, axes.fixed(step.contribution, decimals), effect, width)
    yield _line("baseline", " " * place(chart.base_margin) + "|", "", chart.baseline_text, width)


def _label(step: waterfall.Step) -> str:
    text = f"{step.label} = {step.value_text}" if step.value_text else step.label
    return shortened(text, _LONGEST_LABEL)


def _line(label: str, bar: str, number: str, text: str, width: int) -> str:
    return f"  {label.ljust(width)}  {bar.ljust(_BAR + 1)}  {number.rjust(8)}  {text}".rstrip()


def shortened(text: str, longest: int) -> str:
    """At most so many characters, the end of what is cut marked."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def importance_lines(
    names: Sequence[str], mean_absolute: Sequence[float], mean: Sequence[float], n_shown: int
) -> Iterator[str]:
    """What matters over many rows: mean size and mean of each feature's contributions, the strongest first."""
    ranked = sorted(range(len(names)), key=lambda at: -mean_absolute[at])
    shown, total = ranked[:n_shown], sum(mean_absolute) or 1.0
    largest = mean_absolute[ranked[0]] if ranked else 0.0
    decimals = axes.decimals_for(largest)
    labels = {at: shortened(words.readable(names[at]), _LONGEST_LABEL) for at in shown}
    width = max([len("feature"), *map(len, labels.values())])
    yield f"  {'feature'.ljust(width)}  {'mean size'.rjust(10)}  {'mean'.rjust(10)}  {'share'.rjust(6)}"
    for at in shown:
        bar = "#" * max(1 if mean_absolute[at] else 0, round(mean_absolute[at] / (largest or 1.0) * _BAR))
        yield (
            f"  {labels[at].ljust(width)}  {f'{mean_absolute[at]:.{decimals}f}'.rjust(10)}"
            f"  {axes.fixed(mean[at], decimals).rjust(10)}  {mean_absolute[at] / total:6.1%}  {bar}"
        ).rstrip()
    if len(ranked) > n_shown:
        rest = sum(mean_absolute[at] for at in ranked[n_shown:])
        yield f"  and {len(ranked) - n_shown:,} more, which hold {rest / total:.1%}"


def pair_lines(names: Sequence[str], matrix: Sequence[Sequence[float]], n_shown: int) -> Iterator[str]:
    """The strongest pairs of one interaction matrix; a pair's effect is the sum of its two halves."""
    pairs = [
        (names[one], names[other], 2.0 * matrix[one][other])
        for one in range(len(names))
        for other in range(one)
        if matrix[one][other]
    ]
    pairs.sort(key=lambda pair: -abs(pair[2]))
    decimals = axes.decimals_for(abs(pairs[0][2]) if pairs else 0.0)
    for one, other, value in pairs[:n_shown]:
        text = f"{words.readable(one)} with {words.readable(other)}"
        yield f"  {shortened(text, 60).ljust(60)}  {axes.fixed(value, decimals).rjust(10)}"
    if not pairs:
        yield "  no two features act together on this row"


def space_of(attribution: Attribution) -> str:
    """The unit of contributions."""
    return {"logistic": "log-odds", "exp": "log"}.get(attribution.link, "units of the prediction")
