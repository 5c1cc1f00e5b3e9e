"""Letters: the same content as text and as HTML, nothing unescaped, and readable."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasskit.explain import letters, policies, words
from tests.library import test_explain_reasons as plain


def letter(**changes: object) -> letters.Letter:
    given_: dict[str, object] = {"applicant": "Ms Doe", "reference": "1a2b", "on": plain.DAY, **changes}
    return letters.compose(plain.declined(plain.case(amount=1.0, employment=2.0)), plain.policy(), **given_)  # type: ignore[arg-type]  # the changes are checked by compose itself


def shown(page: str) -> str:
    """What a reader sees of a piece of HTML, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_text_and_html_say_the_same() -> None:
    one = letter(could_help=["Asking for 3,000."], address=("Mill Street 1", "12345 Altfeld"))
    marks = re.compile(r"^(?:\d+\. |- )", re.MULTILINE)
    assert shown(one.fragment()) == " ".join(marks.sub("", one.text()).split())
    assert shown(one.fragment()) in shown(one.html())


@given(
    name=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1)
)
def test_no_name_becomes_markup(name: str) -> None:
    page = letter(applicant=name, address=(name,), could_help=[name]).html()
    assert page.count("<") == letter(applicant="x", address=("x",), could_help=["x"]).html().count("<")
    assert f"Dear {html.escape(name)}," in page


def test_a_letter_asks_nobody_for_anything() -> None:
    assert not re.search(r"<(script|link|img|iframe)|https?:|url\(", letter().html())


def test_a_policy_without_letterhead_writes_no_letter() -> None:
    text = plain.POLICY[: plain.POLICY.index("[letter]")]
    declined = plain.declined(plain.case(amount=1.0), policies.parse(text))
    with pytest.raises(letters.NoLetterhead):
        letters.compose(declined, policies.parse(text), applicant="A", reference="1", on=plain.DAY)


def test_what_we_write_ourselves_is_easy_to_read() -> None:
    assert words.reading_grade(letter(could_help=["Asking for 3,000."]).text()) < 9


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("The cat sat on the mat. The dog ran.", -3, 1),
        ("We cannot approve it because the amount is high.", 2, 7),
        (
            "Notwithstanding considerations regarding creditworthiness, determinations necessitate "
            "comprehensive documentation substantiating applicants' representations.",
            18,
            50,
        ),
    ],
)
def test_longer_words_and_sentences_need_more_years_of_school(text: str, low: float, high: float) -> None:
    assert low < words.reading_grade(text) < high


def test_the_items_of_a_list_are_sentences() -> None:
    listed = "Main reasons:\n1. The amount you asked for\n2. The time you live here"
    assert words.reading_grade(listed) < words.reading_grade(
        listed.replace("\n1. ", " ").replace("\n2. ", " ")
    )


def test_a_text_without_words_has_no_grade() -> None:
    with pytest.raises(ValueError, match="without words"):
        words.reading_grade("42.")
