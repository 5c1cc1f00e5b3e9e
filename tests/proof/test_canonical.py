"""The canonical form: one value, one text, and back."""

from __future__ import annotations

import array
import contextlib
import json
import math
import struct

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from glassproof import canonical

texts = st.text(st.characters(exclude_categories=()))  # lone surrogates too
plain = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | st.binary(max_size=20)
)
values = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(texts | st.sampled_from(["$bytes", "$f64", "$float", "$$"]), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(values)
def test_what_is_written_reads_back_with_its_types(value: object) -> None:
    read = canonical.decode(canonical.encode(value))
    assert read == value
    assert canonical.encode(read) == canonical.encode(value)  # which tells 1, 1.0 and true apart


@given(st.dictionaries(texts, st.integers(), min_size=2, max_size=8), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, int], chance: object) -> None:
    keys = list(value)
    chance.shuffle(keys)  # type: ignore[attr-defined]
    assert canonical.encode({key: value[key] for key in keys}) == canonical.encode(value)


@given(st.lists(st.floats(width=64), max_size=20))
def test_arrays_keep_every_bit(numbers: list[float]) -> None:
    packed = np.array(numbers, dtype=np.float64)
    read = canonical.decode(canonical.encode({"a": packed}))["a"]
    assert isinstance(read, array.array)
    assert read.tobytes() == packed.tobytes()
    assert canonical.encode({"a": read}) == canonical.encode({"a": packed})


@given(st.floats(allow_nan=False))
def test_a_float_keeps_every_bit(number: float) -> None:
    assert struct.pack("d", canonical.decode(canonical.encode(number))) == struct.pack("d", number)


def test_a_float_that_is_no_number_has_a_form() -> None:
    assert canonical.encode([math.inf, -math.inf]) == b'[{"$float":"inf"},{"$float":"-inf"}]'
    assert math.isnan(canonical.decode(canonical.encode(math.nan)))


@pytest.mark.parametrize(
    "text",
    [
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1,"a":1}',
        b"[1.0000]",
        b"[1E5]",
        b"NaN",
        b'{"$float":"one"}',
        b'{"$f64":"AAAA"}',
        b'{"$bytes":"A"}',
        b'{"$bytes":"","x":1}',
        '"ü"'.encode(),
        b'"\\u0041"',
        b"",
        b"[" * 100_000,
    ],
    ids=range(14),
)
def test_any_other_text_is_refused(text: bytes) -> None:
    with pytest.raises(canonical.NotCanonical):
        canonical.decode(text)


@pytest.mark.parametrize(
    "value", [{1: 2}, {1, 2}, object(), np.zeros((2, 2)), np.zeros(2, dtype=np.float32)], ids=range(5)
)
def test_a_value_without_a_form_is_refused(value: object) -> None:
    with pytest.raises(canonical.NotCanonical):
        canonical.encode(value)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_reading_never_fails_in_another_way(data: bytes) -> None:
    with contextlib.suppress(canonical.NotCanonical):
        assert canonical.encode(canonical.decode(data)) == data


def test_it_is_json_that_others_can_read() -> None:
    assert json.loads(canonical.encode({"a": [1, 2.5, "ü", None, True]})) == {"a": [1, 2.5, "ü", None, True]}
