"""Texts explained: how much each token, sentence or paragraph moved what a model says about a text.

The players are the pieces of the text. A coalition is the text with the other pieces removed, or replaced
by a baseline; its value is what the model predicts for it. So base value plus contributions is the
prediction for the whole text, and the base value is the prediction with nothing left of it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from glasskit.explain import explanations, games, pieces, sampling, shap_objects, texts_segments

Granularity = texts_segments.Granularity
Span = texts_segments.Span
Predict = Callable[[list[str]], npt.ArrayLike]
"""What is explained: texts -> one number each, or one per output; (n,) or (n, K)."""

_MOST_PIECES = 2048


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """One text's explanation: a row whose features are the text's pieces.

    explanation: values (1, M) or (1, M, K); data holds the pieces, feature names are `<offset>:<piece>`.
    errors: the standard error of each value, 0 where it is exact.
    """

    explanation: explanations.Explanation
    errors: npt.NDArray[np.float64]
    method: sampling.Method
    text: str
    spans: tuple[Span, ...]
    granularity: Granularity

    @property
    def pieces(self) -> tuple[str, ...]:
        """The pieces' texts."""
        return tuple(self.text[span.start : span.end] for span in self.spans)

    def output(self, index: int) -> Explained:
        """The explanation of one output of several."""
        return dataclasses.replace(
            self, explanation=self.explanation.output(index), errors=self.errors[:, :, index]
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TopToken:
    """A token over many texts: its mean |contribution| and mean contribution each time it occurs."""

    token: str
    mean_absolute: float
    mean: float
    n_occurrences: int


def explain(
    predict: Predict,
    text: str,
    *,
    granularity: Granularity = "token",
    language: str = "en",
    baseline: str = "",
    method: pieces.AskedMethod = "kernel",
    n_samples: int | None = None,
    seed: int = 0,
    space: games.Space = "prediction",
    batch_size: int = 256,
) -> Explained:
    """The contribution of each piece of the text to what `predict` says about it.

    baseline: what stands in a missing piece's place; if empty, it is removed with the space after it.
    n_samples: texts asked about, 2 M + 2048 for M pieces if None; exact where that is all of them.
    batch_size: texts given to `predict` at once. Raises ValueError for a text without pieces, or with
    more than 2,048 of them.
    """
    spans = texts_segments.segments(text, granularity, language=language)
    _require(spans, granularity, batch_size)
    tokens = [text[span.start : span.end] for span in spans]
    names = [f"{span.start}:{piece}" for span, piece in zip(spans, tokens, strict=True)]
    sampled = pieces.solved(
        lambda kept: _asked(predict, text, spans, baseline, kept, batch_size),
        names,
        method=method,
        n_samples=n_samples,
        seed=seed,
        space=space,
    )
    data = np.empty((1, len(spans)), dtype=object)
    data[0] = tokens
    explained = dataclasses.replace(
        sampled.explanation, data=data, labels=dict(zip(names, tokens, strict=True))
    )
    return Explained(
        explanation=shap_objects.compatible(explained),
        errors=sampled.errors,
        method=sampled.method,
        text=text,
        spans=spans,
        granularity=granularity,
    )


def masked(text: str, spans: Sequence[Span], kept: Iterable[bool], baseline: str = "") -> str:
    """The text with only some pieces kept; another goes with the space after it, or leaves the baseline.

    >>> masked("not so bad", texts_segments.segments("not so bad"), [True, False, True])
    'not bad'
    """
    lead, present, absent = _choices(text, spans, baseline)
    chosen = zip(kept, present, absent, strict=True)
    return lead + "".join(there if is_kept else gone for is_kept, there, gone in chosen)


def _choices(text: str, spans: Sequence[Span], baseline: str) -> tuple[str, list[str], list[str]]:
    """(what stands before all pieces, each piece with the space after it, what stands there without it)."""
    if not spans:
        return text, [], []
    ends = [*(span.start for span in spans[1:]), len(text)]
    present = [text[span.start : end] for span, end in zip(spans, ends, strict=True)]
    absent = [
        baseline + text[span.end : end] if baseline else "" for span, end in zip(spans, ends, strict=True)
    ]
    return text[: spans[0].start], present, absent


def top_tokens(
    explained: Iterable[Explained], *, max_top_tokens: int = 50, ignore_case: bool = True
) -> tuple[TopToken, ...]:
    """The tokens that matter most over many texts of one output, by mean |contribution|, at most so many."""
    if max_top_tokens < 1:
        raise ValueError(f"max_top_tokens is {max_top_tokens}, but must be at least 1")
    found: dict[str, list[float]] = defaultdict(list)
    for one in explained:
        if one.explanation.values.ndim != 2:
            raise ValueError("choose one output with .output(k) first")
        for piece, value in zip(one.pieces, one.explanation.values[0].tolist(), strict=True):
            found[piece.casefold() if ignore_case else piece].append(value)
    tokens = [
        TopToken(
            token=token,
            mean_absolute=float(np.abs(values).mean()),
            mean=float(np.mean(values)),
            n_occurrences=len(values),
        )
        for token, values in found.items()
    ]
    return tuple(sorted(tokens, key=lambda one: (-one.mean_absolute, one.token))[:max_top_tokens])


def _require(spans: Sequence[Span], granularity: Granularity, batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, but must be at least 1")
    if not spans:
        raise ValueError(f"the text has no {granularity}s to explain")
    if len(spans) > _MOST_PIECES:
        raise ValueError(
            f"the text has {len(spans):,} {granularity}s, but at most {_MOST_PIECES:,} can be explained; "
            "choose a coarser granularity"
        )


def _asked(
    predict: Predict, text: str, spans: Sequence[Span], baseline: str, kept: games.Bools, batch_size: int
) -> games.Floats:
    """What the model says about the texts that coalitions stand for; the same text is asked about once."""
    lead, present, absent = _choices(text, spans, baseline)
    if baseline:
        both = list(zip(present, absent, strict=True))
        chosen = [
            [pair[not is_kept] for pair, is_kept in zip(both, row, strict=True)] for row in kept.tolist()
        ]
    else:
        chosen = [list(itertools.compress(present, row.tolist())) for row in kept]
    written = [lead + "".join(parts) for parts in chosen]
    different = list(dict.fromkeys(written))
    answers = [
        pieces.answered(
            predict(different[start : start + batch_size]), len(different[start : start + batch_size])
        )
        for start in range(0, len(different), batch_size)
    ]
    place = {one: at for at, one in enumerate(different)}
    found: games.Floats = np.concatenate(answers)[[place[one] for one in written]]
    return found
