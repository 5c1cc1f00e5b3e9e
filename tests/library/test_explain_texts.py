"""Texts are cut the same way every time, and their explanations add up."""

from __future__ import annotations

import pathlib
import re

import numpy as np
import pytest
import shap
from hypothesis import given, settings
from hypothesis import strategies as st

from glasskit import charts, explain
from glasskit.explain import games, texts, texts_segments

UNICODE = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
NASTY = "</span><script>alert('x')</script> not \"good\" & <b>bad</b>"


def cut(text: str, granularity: texts.Granularity = "token", language: str = "en") -> list[str]:
    spans = texts_segments.segments(text, granularity, language=language)
    return [text[span.start : span.end] for span in spans]


def feeling(some: list[str]) -> np.ndarray:
    """A model with an interaction: "not" turns what follows around."""
    return np.array(
        [0.5 * ("good" in one) - 0.5 * ("bad" in one) + 0.8 * ("not" in one and "bad" in one) for one in some]
    )


@given(UNICODE, st.sampled_from(["token", "sentence", "paragraph"]))
def test_pieces_stand_in_order_and_hold_all_but_white_space(
    text: str, granularity: texts.Granularity
) -> None:
    spans = texts_segments.segments(text, granularity)
    at = 0
    for span in spans:
        assert text[at : span.start].isspace() or at == span.start
        assert text[span.start : span.end].strip() == text[span.start : span.end] != ""
        at = span.end
    assert text[at:].isspace() or at == len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't pay 3.50, e-mail!", ["Don't", "pay", "3.50", ",", "e-mail", "!"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("今日は、good", ["今", "日", "は", "、", "good"]),
        ("👩‍👩‍👧 ok 👍🏽", ["👩‍👩‍👧", "ok", "👍🏽"]),
        ("schöne Grüße", ["schöne", "Grüße"]),
        ("", []),
    ],
)
def test_words_are_whole_in_any_script(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Mr. Smith paid $3.50. Really? Yes", "en", ["Mr. Smith paid $3.50.", "Really?", "Yes"]),
        (
            "He met J. Doe, e.g. in May. “So!” he said.",
            "English",
            ["He met J. Doe, e.g. in May.", "“So!” he said."],
        ),
        ("Am 3. Mai kam Hr. Bär. Gut.", "de-DE", ["Am 3. Mai kam Hr. Bär.", "Gut."]),
        ("I was born in 7. He too.", "en", ["I was born in 7.", "He too."]),
        ("今日は。いい天気！はい", "ja", ["今日は。", "いい天気！", "はい"]),
        ("Kya? हाँ। ठीक है।", "hi", ["Kya?", "हाँ।", "ठीक है।"]),
        ("one\n\ntwo", "xx", ["one", "two"]),
    ],
)
def test_sentences_end_where_the_language_ends_them(text: str, language: str, expected: list[str]) -> None:
    assert cut(text, "sentence", language) == expected


def test_paragraphs_stand_between_empty_lines() -> None:
    assert cut("a\nb\n\n c \r\n\r\nd\n", "paragraph") == ["a\nb", "c", "d"]


@pytest.mark.slow
@settings(max_examples=25)
@given(
    st.lists(st.sampled_from(["not", "bad", "good", "so", ","]), min_size=1, max_size=9),
    st.sampled_from(["", "#"]),
)
def test_contributions_add_up_and_are_those_of_all_coalitions(words: list[str], baseline: str) -> None:
    text = " ".join(words)
    explained = texts.explain(feeling, text, baseline=baseline, seed=1)
    values, base = explained.explanation.values[0], explained.explanation.base_values[0]
    assert explained.method == "exact"
    assert base == pytest.approx(
        feeling([texts.masked(text, explained.spans, [False] * len(words), baseline)])[0]
    )
    assert base + values.sum() == pytest.approx(feeling([text])[0])
    expected = np.zeros(len(words))
    coalitions = games.all_coalitions(len(words))
    worth = feeling([texts.masked(text, explained.spans, row.tolist(), baseline) for row in coalitions])
    for player in range(len(words)):
        without = np.flatnonzero(~coalitions[:, player])
        sizes = coalitions[without].sum(axis=1)
        weights = [
            1 / (len(words) * float(np.prod([(len(words) - 1 - k) / (k + 1) for k in range(size)])))
            for size in sizes
        ]
        expected[player] = np.dot(weights, worth[without | 1 << player] - worth[without])
    assert values == pytest.approx(expected)


@pytest.mark.parametrize("method", ["kernel", "permutation"])
def test_a_long_text_is_drawn_from_and_still_adds_up(method: explain.pieces.AskedMethod) -> None:
    text = "It was not so bad after all , and the people at the counter were quite good to us . " * 2
    asked: list[int] = []

    def counted(some: list[str]) -> np.ndarray:
        asked.append(len(some))
        return feeling(some)

    once, twice, other = (
        texts.explain(counted, text, method=method, n_samples=400, seed=seed, batch_size=50)
        for seed in (3, 3, 4)
    )
    assert once.method == method
    assert max(asked) <= 50
    assert np.array_equal(once.explanation.values, twice.explanation.values)
    assert not np.array_equal(once.explanation.values, other.explanation.values)
    assert once.errors.max() > 0
    total = once.explanation.base_values[0] + once.explanation.values.sum()
    assert total == pytest.approx(feeling([text])[0])


def test_sentences_are_explained_for_every_output() -> None:
    explained = texts.explain(
        lambda some: np.column_stack([feeling(some), [len(one) for one in some]]),
        "This is good. That is bad.",
        granularity="sentence",
    )
    assert explained.pieces == ("This is good.", "That is bad.")
    assert explained.explanation.values.shape == (1, 2, 2)
    assert explained.explanation.data.tolist() == [["This is good.", "That is bad."]]
    assert explained.output(0).explanation.values[0] == pytest.approx([0.5, -0.5])


def test_the_tokens_that_matter_most_are_counted_over_texts() -> None:
    some = [texts.explain(feeling, text) for text in ("good day", "Good night", "bad day")]
    top = texts.top_tokens(some, max_top_tokens=2)
    assert [one.token for one in top] == ["bad", "good"]
    assert top[0].mean == pytest.approx(-0.5)
    assert texts.top_tokens(some)[-1].mean_absolute == 0
    assert {one.token: one.n_occurrences for one in texts.top_tokens(some)} == {
        **{"good": 2, "bad": 1, "day": 2, "night": 1}
    }


def test_what_cannot_be_explained_is_said() -> None:
    for wrong, match in (
        ({"text": "  "}, "no tokens"),
        ({"text": "a", "language": "klingon"}, "klingon"),
        ({"text": "a", "granularity": "letter"}, "letter"),
        ({"text": "a " * 5000}, "coarser"),
        ({"text": "a b", "method": "guess"}, "guess"),
        ({"text": "a", "batch_size": 0}, "batch_size"),
    ):
        with pytest.raises(ValueError, match=match):
            texts.explain(feeling, **wrong)
    with pytest.raises(games.BadPredictions, match="shape"):
        texts.explain(lambda some: [1.0], "several words")


def test_the_marked_text_is_text_and_nothing_in_it_is_markup(tmp_path: pathlib.Path) -> None:
    chart = charts.texts.highlighted(texts.explain(feeling, NASTY, n_samples=200))
    page = chart.to_html()
    figure = page[page.index("<figure>") : page.index("</figure>")]
    paragraph = figure[figure.index('<p class="text"') :]
    assert set(re.findall(r"<(\w+)", paragraph)) == {"p", "span"}
    assert len(re.findall("<span", paragraph)) == len(chart.pieces)
    assert "script" not in set(re.findall(r"<(\w+)", chart.to_svg()))
    assert sum(piece.contribution for piece in chart.pieces) == pytest.approx(
        chart.margin - chart.base_margin
    )
    strongest = max(chart.pieces, key=lambda piece: piece.strength)
    kind = "raises" if strongest.contribution > 0 else "lowers"
    assert f'class="mark {kind} s8"' in figure
    chart.save(tmp_path / "text.html")


def test_shaps_plots_take_a_texts_explanation() -> None:
    explanation = texts.explain(feeling, "not so bad").explanation
    assert isinstance(explanation, shap.Explanation)
    assert "bad" in shap.plots.text(explanation[0], display=False)
