"""The condition language: the tables of the specification, row by row."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobdefs.condition import MAX_DEPTH, Condition, ConditionError, Value, parse

QUANTITIES: dict[str, Value] = {
    "D": 1.0,
    "n": None,
    "L3": 3,
    "a": 3,
    "b_2": -2.5,
    "big": 2**62,
    "text": "o'brien",
    "moment": datetime(2026, 1, 31, tzinfo=UTC),
    "same_moment": datetime(2026, 1, 31, tzinfo=UTC),
    "yes": True,
    "true": 1,
    "if": 7,
    "numChannels": 3.0,
    "numHdfFiles": 501,
}


def holds(text: str) -> bool:
    return parse(text).holds(QUANTITIES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Precedence, loosest first: || && ! comparison + - * / %.
        ("True || False && False", True),
        ("(True || False) && False", False),
        ("!False && False", False),
        ("!a == 4", True),
        ("!(a == 4)", True),
        ("2 + 3 * 4 == 14", True),
        ("(2 + 3) * 4 == 20", True),
        ("10 - 4 - 3 == 3", True),
        ("100 / 10 / 5 == 2", True),
        ("20 % 7 % 4 == 2", True),
        ("-a + 5 == 2", True),
        ("-(a + 5) == -8", True),
        ("a == 3 == False", None),
        # Every comparison.
        ("a == 3", True),
        ("a != 3", False),
        ("a < 4 && a <= 3 && a > 2 && a >= 3", True),
        ("a < 3 || a > 3", False),
        # Names, literals, reserved words.
        ("b_2 == -2.5", True),
        ("true == 1", True),
        ("if == 7", True),
        ("15. == 15.0 && 17.0E-1 == 1.7 && 1e3 == 1000 && 1.5e+1 == 15", True),
        ("text == 'o''brien'", True),
        ("text == 'O''brien'", False),
        ("'' == ''", True),
        ("True", True),
        ("False", False),
    ],
)
def test_grammar(text, expected):
    """ijp-spec §2, req. 119."""
    if expected is None:
        with pytest.raises(ConditionError):
            parse(text)
    else:
        assert holds(text) is expected


@pytest.mark.parametrize(
    "text",
    [
        "n == null",
        "a != null",
        "text != null",
        "null == null",
        "moment == same_moment",
        "text != 3",
        "yes == True",
        "yes != False",
        "yes != 1",
    ],
)
def test_null_texts_dates_and_truths_are_compared_for_equality(text):
    assert holds(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "D == 1",
        "2 * 3 + 4 == 10",
        "7 % 4 == 3",
        "7/2 == 3.0",
        "1.5 * 2 > 1",
        "L3-1 > 0",
        "(a + 1) > 3",
        "1.5+2 > 3",
        "a\t==\n3\r\n",
        "!!True",
        "numChannels == 3 && numHdfFiles > 500",
    ],
)
def test_what_the_original_got_wrong_is_true(text):
    """The "adopt" column of ijp-spec §2; the last is the paper's own example (req. 119)."""
    assert holds(text) is True


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("value", ["n", "null", "text", "moment"])
def test_only_numbers_are_ordered(sign, value):
    with pytest.raises(ConditionError, match=r"is for numbers.*\(at character \d+\)"):
        holds(f"{value} {sign} 3")


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "%"])
@pytest.mark.parametrize("value", ["n", "text"])
def test_only_numbers_are_calculated_with(sign, value):
    with pytest.raises(ConditionError, match=f"^[{sign}] is for numbers"):
        holds(f"3 {sign} {value} == 1")


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("7 / -2", -3),
        ("7 % 3", 1),
        ("-7 % 3", -1),
        ("7 % -3", 1),
        ("7 / 2.0", 3.5),
        ("-7.5 % 2", -1.5),
        ("1 - 2 - 3", -4),
    ],
)
def test_integers_divide_with_truncation_and_the_sign_of_the_dividend(text, result):
    assert holds(f"{text} == {result}")


@pytest.mark.parametrize("text", ["1/0 > 0", "1 % 0 == 0", "L3 / (a - 3) > 1"])
def test_an_integer_cannot_be_divided_by_zero(text):
    with pytest.raises(ConditionError, match="divided by zero"):
        holds(text)


def test_reals_divide_by_zero_as_ieee_754_says():
    assert holds("1.0/0 > 1e300 && -1/0.0 < 0 && 0.0/0 != 0.0/0")


def test_integers_stay_within_64_bits():
    assert holds("big + (big - 1) == 9223372036854775807")
    with pytest.raises(ConditionError, match="64-bit"):
        holds("big + big > 0")
    assert holds("-9223372036854775808 < 0")


def test_mixed_sums_of_many_types_are_exact():
    values: dict[str, Value] = {"i": 1, "d": 35.0, "f": 50.0, "l": 50}
    assert parse("i+d+f+l == 136.0").holds(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the condition is empty"),
        ("  \n", "the condition is empty"),
        ("a &&", "the condition ends too early (at character 4)"),
        ("(a == 3", "the condition ends too early (at character 7)"),
        ("a == 3)", "did not expect ')' here: no ( belongs to it (at character 6)"),
        ("a = 3", "did not expect '=' here: write == to compare (at character 2)"),
        ("a <> 3", "did not expect '<>' here: write != (at character 2)"),
        ("a == 3 and D == 1", "did not expect 'and' here: write && for and (at character 7)"),
        ("a == 3 & D == 1", "did not expect '&' here: write && for and (at character 7)"),
        ("a == 3 | D == 1", "did not expect '|' here: write || for or (at character 7)"),
        (
            'text == "x"',
            "did not expect '\"' here: write texts in single quotes (at character 8)",
        ),
        (
            "a < 4 < 5",
            "did not expect '<' here: "
            "a comparison has two sides; join comparisons with && (at character 6)",
        ),
        ("a", "a alone is not a condition: compare it with something (at character 0)"),
        ("D == 1 && true", "write True, not true (at character 10)"),
        ("1 + 2", "a value is not a condition: compare it with something (at character 0)"),
        (
            "(a == 3) + 1 == 4",
            "a value was expected here, not something true or false (at character 0)",
        ),
        ("True < 1", "a value was expected here, not something true or false (at character 0)"),
        ("a.b == 1", "did not expect '.' here (at character 1)"),
        ("f(a) == 1", "did not expect '(' here (at character 1)"),
        ("_a == 1", "did not expect '_' here (at character 0)"),
    ],
)
def test_what_is_no_condition_says_what_and_where(text, message):
    with pytest.raises(ConditionError) as caught:
        parse(text)
    assert caught.value.message == message


@pytest.mark.parametrize("text", ["False && nosuch > 1", "True || nosuch > 1"])
def test_an_unknown_name_is_an_error_even_where_it_would_be_skipped(text):
    with pytest.raises(ConditionError, match="there is no quantity 'nosuch'"):
        holds(text)


def test_names_are_what_a_condition_needs():
    assert parse("a + 1 > b && !('c' == d)").names == {"a", "b", "d"}
    assert parse("nulls == null || Truest == 1").names == {"nulls", "Truest"}


@pytest.mark.parametrize(
    "text",
    [
        "(" * 500 + "True" + ")" * 500,
        "!" * 500 + "True",
        "-" * 500 + "1 == 1",
        "+".join(["1"] * 500) + " > 0",
    ],
)
def test_nesting_has_a_limit(text):
    with pytest.raises(ConditionError, match=f"more than {MAX_DEPTH} levels"):
        parse(text)


def test_a_long_chain_of_ands_is_no_nesting():
    assert parse(" && ".join(["True"] * 1000)).holds({})


@pytest.mark.parametrize("text", ["1 == 1" + " " * 10_000, "9" * 400 + " == 1", "1e999 > 1"])
def test_sizes_have_limits(text):
    with pytest.raises(ConditionError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os') == 1",
        "().__class__ == 1",
        "a if a else a",
        "[1][0] == 1",
        "lambda: 1",
        "'a' * 1000000000 == 'a'",
        "9 ** 9 ** 9 > 1",
    ],
)
def test_nothing_of_python_is_understood(text):
    """security 27: a definition cannot run code in the portal."""
    with pytest.raises(ConditionError):
        holds(text)


_names = st.sampled_from(["a", "D", "n", "text"])
_values = st.one_of(
    _names,
    st.integers(-5, 5).map(str),
    st.floats(-5, 5, allow_nan=False).map(repr),
    st.just("null"),
    st.just("'x'"),
)


@given(st.text(max_size=60))
@example("((((")
@example("'''")
def test_any_text_is_a_condition_or_a_clean_error(text):
    with suppress(ConditionError):
        assert holds(text) in (True, False)


@given(st.lists(_values, min_size=2, max_size=6), st.data())
def test_arithmetic_gives_an_answer_or_a_clean_error(values, data):
    signs = [data.draw(st.sampled_from("+-*/%")) for _ in values[1:]]
    sums = values[0] + "".join(
        f" {sign} {one}" for sign, one in zip(signs, values[1:], strict=True)
    )
    with suppress(ConditionError):
        assert holds(f"({sums}) == 1 || !(({sums}) == 1)") is True


@given(st.integers(-(2**40), 2**40), st.integers(-(2**20), 2**20).filter(bool))
def test_division_and_remainder_belong_together(dividend, divisor):
    values: dict[str, Value] = {"x": dividend, "y": divisor}
    assert parse("x / y * y + x % y == x").holds(values)


def test_a_condition_answers_several_threads():
    condition: Condition = parse("x * 2 == y")
    wrong: list[int] = []

    def ask(number: int) -> None:
        for _ in range(300):
            if not condition.holds({"x": number, "y": number * 2}):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
