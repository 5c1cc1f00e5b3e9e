"""AWS's Java patterns mean here what they mean there."""

from __future__ import annotations

import time

import hypothesis
import hypothesis.strategies as st
import pytest

from glasshouse.kernel import errors, model
from glasshouse.kernel.model import patterns, rules

SERVICES = model.Services()
USED = (
    "sagemaker sagemaker-runtime sagemaker-featurestore-runtime sagemaker-metrics sagemaker-edge "
    "sagemaker-a2i-runtime sts iam logs cloudwatch athena glue ecr kms resource-groups resourcegroupstaggingapi"
).split()

UNREADABLE: dict[str, str] = {}
"""Patterns that cannot be read, by service and shape: there are none, and a new one must be looked at."""


@pytest.mark.parametrize("service", USED)
def test_every_pattern_can_be_read(service):
    found = {}
    for shape in map(SERVICES[service].model.shape_for, SERVICES[service].model.shape_names):
        try:
            patterns.compiled(shape.metadata.get("pattern", ""))
        except patterns.UnreadablePattern as error:
            found[f"{service}.{shape.name}"] = str(error)
    assert found == {name: text for name, text in UNREADABLE.items() if name.startswith(f"{service}.")}


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"\d+", "12", True),
        (r"\d+", "\u0661\u0662", False),
        (r"\w+", "é", False),
        (r"[\w]+", "é", False),
        (r"\s", "\u00a0", False),
        (r"[\S]+", "\u00a0", True),
        (r"[\S\s]*", "a\n\U0001f600", True),
        (r"\p{L}+", "éλ", True),
        (r"[\p{L}\p{N}]+", "é2", True),
        (r"\p{Alnum}+", "é", False),
        (r"[\p{Alnum}]+", "a1", True),
        (r"\p{ASCII}*", "é", False),
        (r"\p{Print}*", "a b~", True),
        (r"\p{Print}*", "a\n", False),
        (r".*", "a\n", False),
        (r".*", "a\u2028", False),
        (r"[.]", "a", False),
        (r"\.", "a", False),
        (r"\Aa\z", "a", True),
        (r"a", "ab", False),
        (r"^a$", "a\n", False),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "a\U0001f600", True),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "\n", False),
        (r"[a\]b]+", "]", True),
        (r"\\d", r"\d", True),
    ],
)
def test_a_pattern_means_what_it_means_in_java(pattern, text, matches):
    assert bool(patterns.compiled(pattern).fullmatch(text)) is matches


@pytest.mark.parametrize("pattern", ["[a[b]]", "[a-z&&[^b]]", r"\p{IsGreek}", r"\uD800", "(", "[a"])
def test_a_pattern_that_cannot_be_read_is_not_passed_over(pattern):
    with pytest.raises(patterns.UnreadablePattern):
        patterns.compiled(pattern)


@hypothesis.given(text=st.text(max_size=20))
def test_ascii_classes_agree_with_pythons_ascii_flag(text):
    import re

    for pattern in (r"\w*", r"\d*", r"\s*", r"[\w-]*", r"\W*", r"\D*", r"\S*", r"[\W]*", r"[\D]*", r"[\S]*"):
        mine = bool(patterns.compiled(pattern).fullmatch(text))
        assert mine == bool(re.fullmatch(pattern, text, re.ASCII)), pattern


def test_a_pattern_cannot_hold_the_server_up():
    rule = rules.String(name="Evil", pattern="(a+)+", compiled=patterns.compiled("(a|aa)+(a|aa)+(a|aa)+b"))
    holder = rules.Structure(name="Holder", required=(), union=False, members={"Text": rule})
    start = time.monotonic()
    with pytest.raises(errors.Validation):
        model.checked(holder, {"Text": "a" * 5000})
    assert time.monotonic() - start < 5


def test_no_member_adds_constraints_to_its_shape():
    """Rules are kept by shape name, so a member reference must not narrow the shape it refers to."""
    for service in USED:
        names = SERVICES[service].model
        for shape in map(names.shape_for, names.shape_names):
            for member in getattr(shape, "members", {}).values():
                plain = {
                    k: v for k, v in names.shape_for(member.name).metadata.items() if k != "idempotencyToken"
                }
                found = {
                    k: v
                    for k, v in member.metadata.items()
                    if k in ("min", "max", "pattern", "enum", "required")
                }
                assert found.items() <= plain.items(), (service, shape.name, member.name)


def test_no_json_name_differs_from_the_members_name():
    """The JSON protocols take member names as they are; a model that renames one would need more."""
    for service in (
        "sagemaker",
        "logs",
        "cloudwatch",
        "sagemaker-runtime",
        "sagemaker-metrics",
        "sagemaker-featurestore-runtime",
    ):
        names = SERVICES[service].model
        for shape in map(names.shape_for, names.shape_names):
            for name, member in getattr(shape, "members", {}).items():
                if "location" not in member.serialization:
                    assert member.serialization.get("name", name) == name, (service, shape.name, name)
