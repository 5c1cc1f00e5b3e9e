"""Reading what was written gives what there was, for samples of every operation; what breaks a rule is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import hypothesis
import hypothesis.strategies as st
import orjson
import pytest

from glasshouse.kernel import errors, model
from glasshouse.kernel.model import rules, sentences
from tests.support import offered, shapes

SERVICES = model.Services()
SAMPLES = hypothesis.settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
WRONG = {
    rules.String: 5,
    rules.Number: "five",
    rules.Boolean: "yes",
    rules.Timestamp: "yesterday",
    rules.Blob: 5,
    rules.List: {"not": "a list"},
    rules.Map: ["not a map"],
    rules.Structure: "not a structure",
}


@pytest.mark.parametrize(("service", "operation"), offered.OPERATIONS)
def test_reading_what_was_written_gives_what_there_was(service, operation):
    @SAMPLES
    @hypothesis.given(data=st.data())
    def law(data):
        for rule in (SERVICES[service].input(operation), SERVICES[service].output(operation)):
            value = data.draw(shapes.values(rule))
            wire = orjson.loads(orjson.dumps(model.shaped(rule, value)))
            assert model.checked(rule, wire) == value

    law()


@pytest.mark.parametrize(("service", "operation"), offered.OPERATIONS)
def test_every_mistake_in_a_request_is_told(service, operation):
    rule = SERVICES[service].input(operation)

    @SAMPLES
    @hypothesis.given(data=st.data())
    def law(data):
        value = data.draw(shapes.values(rule))
        mistakes = data.draw(
            st.lists(
                st.sampled_from(list(_mistakes(rule, value))),
                min_size=1,
                max_size=4,
                unique_by=lambda m: m[0],
            )
        )
        for name, mistaken in mistakes:
            value[name] = mistaken
        with pytest.raises(errors.Validation) as caught:
            model.checked(rule, value)
        count = len(mistakes)
        assert caught.value.message.startswith(f"{count} validation error{'s' * (count > 1)} detected: Value")
        for name, _ in mistakes:
            assert f"at '{sentences.member('', name)}' failed to satisfy constraint: " in caught.value.message

    law()


@pytest.mark.parametrize(("service", "operation"), offered.OPERATIONS)
def test_a_mistake_deep_inside_is_told_with_its_path(service, operation):
    rule = SERVICES[service].input(operation)

    @SAMPLES
    @hypothesis.given(data=st.data())
    def law(data):
        value = data.draw(shapes.values(rule))
        at, inner, holder = data.draw(st.sampled_from(list(_structures(rule, value, ""))))
        name, mistaken = data.draw(st.sampled_from(list(_mistakes(inner, holder))))
        holder[name] = mistaken
        with pytest.raises(errors.Validation) as caught:
            model.checked(rule, value)
        assert caught.value.message.startswith("1 validation error detected: Value")
        assert f"at '{sentences.member(at, name)}' failed to satisfy constraint: " in caught.value.message

    law()


def _mistakes(rule: rules.Structure, value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Members to set, and the mistaken value."""
    if not rule.union:
        yield "NoSuchMember", 1
        yield from ((name, None) for name in rule.required)
        yield from ((name, WRONG[type(member)]) for name, member in rule.members.items())
    else:
        yield from ((name, WRONG[type(rule.members[name])]) for name in value)


def _structures(
    rule: rules.Rule, value: Any, at: str
) -> Iterator[tuple[str, rules.Structure, dict[str, Any]]]:
    """Every structure inside the value, with its path."""
    if isinstance(rule, rules.Structure):
        yield at, rule, value
        for name, held in value.items():
            yield from _structures(rule.members[name], held, sentences.member(at, name))
    elif isinstance(rule, rules.List):
        for i, item in enumerate(value, 1):
            yield from _structures(rule.item, item, f"{at}.{i}.member")


def scalars() -> Iterator[rules.Scalar]:
    """Every scalar rule of the offered operations."""
    found: dict[int, rules.Rule] = {}

    def walk(rule: rules.Rule) -> None:
        if id(rule) in found:
            return
        found[id(rule)] = rule
        if isinstance(rule, rules.Structure):
            for member in rule.members.values():
                walk(member)
        elif isinstance(rule, rules.List):
            walk(rule.item)
        elif isinstance(rule, rules.Map):
            walk(rule.key)
            walk(rule.value)

    for service, operation in offered.OPERATIONS:
        walk(SERVICES[service].input(operation))
    return (rule for rule in found.values() if isinstance(rule, rules.Scalar))


def problem(rule: rules.Scalar, value: Any) -> str:
    holder = rules.Structure(name="Holder", required=(), union=False, members={"Member": rule})
    with pytest.raises(errors.Validation) as caught:
        model.checked(holder, {"Member": value})
    return caught.value.message


@pytest.mark.slow
def test_every_bound_of_every_scalar_holds():
    n_checked = 0
    for rule in scalars():
        for value, told in _out_of_bounds(rule):
            assert told in problem(rule, value), rule.name
            n_checked += 1
    assert n_checked > 500


def _out_of_bounds(rule: rules.Scalar) -> Iterator[tuple[Any, str]]:
    if isinstance(rule, rules.String):
        if rule.most < 100_000:
            yield "a" * (int(rule.most) + 1), f"Member must have length less than or equal to {rule.most}"
        if rule.least:
            yield "a" * (rule.least - 1), f"Member must have length greater than or equal to {rule.least}"
        if rule.enum:
            yield "no-such-value", f"Member must satisfy enum value set: [{', '.join(rule.enum)}]"
        unfit = "\n\x00" * max(rule.least, 1)
        if rule.compiled and not rule.enum and len(unfit) <= rule.most and not rule.compiled.fullmatch(unfit):
            yield unfit, f"Member must satisfy regular expression pattern: {rule.pattern}"
    if isinstance(rule, rules.Number) and rule.integral:
        yield int(rule.least) - 1, f"Member must have value greater than or equal to {int(rule.least)}"
        yield int(rule.most) + 1, f"Member must have value less than or equal to {int(rule.most)}"
    if isinstance(rule, rules.Blob) and rule.most < 100_000:
        yield b"a" * (int(rule.most) + 1), f"Member must have length less than or equal to {rule.most}"


@SAMPLES
@hypothesis.given(value=shapes.values(SERVICES["sagemaker"].output("DescribeTrainingJob")), extra=st.text())
def test_writing_keeps_only_what_the_model_knows(value, extra):
    written = model.write(
        SERVICES["sagemaker"], "DescribeTrainingJob", value | {f"x{extra}": extra, "Tags": None}
    )
    assert written.keys() == value.keys()


def test_the_message_stays_short_however_many_the_mistakes():
    body = {"Tags": [{}] * 5000, "ResourceArn": "arn:" + "x" * 5000}
    with pytest.raises(errors.Validation) as caught:
        model.read(SERVICES["sagemaker"], "AddTags", body)
    assert caught.value.message.startswith("10002 validation errors detected: ")
    assert re.search(r"and \d+ more$", caught.value.message)
    assert len(caught.value.message) < 50_000
