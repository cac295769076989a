"""What is known of a query before anybody is asked."""

from collections.abc import Callable
from datetime import timedelta

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.prometheus.queries import MOST_PIECES, Input, freshness_query, read
from surefoot.domain.facts.measurements import QueryFacts

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NONE = timedelta(0)


@pytest.mark.parametrize(
    ("promql", "longest"),
    [
        ("up", NONE),
        ("42", NONE),
        ("time()", NONE),
        ("rate(x[5m])", 5 * MINUTE),
        ("rate(x[300])", 5 * MINUTE),
        ("x offset 1h", HOUR),
        ("x offset -1h", NONE),
        ("rate(x[5m] offset 1h)", HOUR + 5 * MINUTE),
        ("rate(x[1h] offset -5m)", 55 * MINUTE),
        ("max_over_time(rate(x[5m])[1h:1m])", HOUR + 5 * MINUTE),
        ("max_over_time(rate(x[5m] offset 1m)[1h:1m] offset 2h)", 3 * HOUR + 6 * MINUTE),
        ("rate(x[5m]) / rate(y[10m])", 10 * MINUTE),
        ("sum by (a) (-(rate(x[5m])))", 5 * MINUTE),
        ("topk(scalar(max_over_time(n[7m])), x)", 7 * MINUTE),
        ("histogram_quantile(0.9, sum by (le) (rate(x_bucket[3m])))", 3 * MINUTE),
        ('label_replace(rate(x[5m]), "a", "b", "c", "d")', 5 * MINUTE),
        ("(" * 120 + "rate(x[5m])" + ")" * 120, 5 * MINUTE),
    ],
)
def test_longest_range_is_the_farthest_that_any_part_looks_back(
    promql: str, longest: timedelta
) -> None:
    """Ranges and offsets add up along a path; of several paths the longest counts."""
    assert read(promql).facts == QueryFacts(longest_range=longest)


@pytest.mark.parametrize(
    ("promql", "fault"),
    [
        ("", "the query is empty"),
        (" \n\t", "the query is empty"),
        ("# later", "the query is only a comment"),
        ("x +", 'the query does not parse: not understood from "+" on (character 3)'),
        (
            "rate(x[5m]) > 0.1 for 5m",
            'the query does not parse: not understood from "for 5m" on (character 19)',
        ),
        ("(((x", "the query does not parse: unclosed left parenthesis"),
        ("sum(rate(x[5m])", "the query does not parse: unclosed left parenthesis"),
        (
            "rate(x)",
            "the query does not parse: expected type matrix in call to function 'rate', got vector",
        ),
        ("foo(x)", "the query does not parse: unknown function with name 'foo'"),
        ("x{a=5}", "the query does not parse: unexpected character inside braces: '5'"),
        (
            "x[5m]",
            (
                "the query yields a range of samples at each point, not one value: "
                "wrap it, as in rate(x[5m]) or last_over_time(x[5m])"
            ),
        ),
        (
            "(x[1h:5m])",
            (
                "the query yields a range of samples at each point, not one value: "
                "wrap it, as in rate(x[5m]) or last_over_time(x[5m])"
            ),
        ),
        ('("a")', "the query yields a string, not a number"),
        ("rate(x[9999999y])", "the query has a range or offset that is too long"),
        ("x offset 9999999y", "the query has a range or offset that is too long"),
    ],
)
def test_fault_says_what_and_where(promql: str, fault: str) -> None:
    """Short enough for a condition, and for somebody who has the text before them."""
    assert read(promql).facts == QueryFacts(fault=fault)


@pytest.mark.parametrize("number", ["Inf", "NaN", "1e400"])
def test_number_at_which_the_parser_panics_is_a_fault(
    number: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A panic of the parser is no exception as others are; it must not reach the operator."""
    assert read(f"x offset {number}").facts == QueryFacts(
        fault="the query does not parse: it has a number or duration that is out of range"
    )
    capfd.readouterr()  # the parser's own complaint


@pytest.mark.parametrize(
    "nested",
    [
        pytest.param(lambda n: "(" * n + "x" + ")" * n, id="brackets"),
        pytest.param(lambda n: "-" * n + "x", id="signs"),
        pytest.param(lambda n: "+".join(["x"] * (n + 1)), id="terms"),
        pytest.param(lambda n: " or ".join(["x"] * (n + 1)), id="words"),
        pytest.param(lambda n: "^".join(["x"] * (n + 1)), id="powers"),
        pytest.param(lambda n: "abs(" * n + "x" + ")" * n, id="calls"),
    ],
)
def test_nesting_is_bounded_before_the_parser_sees_it(nested: Callable[[int], str]) -> None:
    """The parser recurses: some thousand levels would end the process, not the query."""
    assert read(nested(MOST_PIECES)).facts == QueryFacts()
    assert read(nested(100_000)).facts == QueryFacts(
        fault=f"the query has 100000 operators and brackets, at most {MOST_PIECES} are taken: "
        f"move parts of it into recording rules"
    )


@pytest.mark.parametrize(
    "promql",
    [
        "x{a=~`\\d+\\.(\"|')`}",
        "# don't use `this\nx{a=~`\\d+`} # nor 'that",
        "x{a=~`first\nsecond`}",
        "x{a='`'} + x{a='\\''} + x{a=`'`}",
    ],
)
def test_raw_strings_are_read_as_prometheus_reads_them(promql: str) -> None:
    """A backslash between backquotes is a backslash."""
    assert read(promql).facts == QueryFacts()


def test_brackets_in_strings_are_not_nesting() -> None:
    """A regular expression may have as many as it likes."""
    assert read('x{a!="' + "(" * 1000 + '"}').facts == QueryFacts()


PIECES = st.sampled_from(
    [
        *("x", 'y{a="b"}', '"s"', "sum", "by", "(", ")", "[", "]", "5m", ":", "offset", "-", "+"),
        *("@", "end()", "1", "NaN", "rate", "{", "}", "a", "=", "=~", ",", "or", "on", "bool"),
        *("time()", "-5", "$v", "#", "\n", "`", "'", "é", "\\", "\x00", "\ud800", "0s", "\u2028"),
    ]
)


@given(st.lists(PIECES, max_size=12))
def test_reading_never_raises(pieces: list[str]) -> None:
    """Whatever a plan holds, it gets an answer, on one line."""
    facts = read(" ".join(pieces)).facts
    assert facts.fault is None or (facts.fault.isprintable() and len(facts.fault) <= 300)


@pytest.mark.parametrize(
    ("promql", "inputs"),
    [
        ("1", ()),
        ("time() + vector(1)", ()),
        ("sum(x)", (Input("x", NONE, NONE),)),
        ("x + x", (Input("x", NONE, NONE),)),
        ("rate(x[5m] offset 1h)", (Input("x", 5 * MINUTE, HOUR),)),
        (
            "max_over_time(rate(x[5m] offset 1m)[1h:1m] offset 2h)",
            (Input("x", HOUR + 5 * MINUTE, 2 * HOUR + MINUTE),),
        ),
        (
            "errors / requests offset -5m",
            (Input("errors", NONE, NONE), Input("requests", NONE, -5 * MINUTE)),
        ),
        ("topk(scalar(n), x)", (Input("n", NONE, NONE), Input("x", NONE, NONE))),
        ("x @ end()", (Input("x", NONE, NONE),)),
        ("x @ 1600000000 + x @ start() + x @ -5", ()),
        ("max_over_time(x[1h:] @ 5)", ()),
        ("absent(x) or absent_over_time(y[1h])", ()),
        (
            'x{a="q\\"\\\\\\n",b!=\'c\',d=~`e\\d`,f!~"g"}',
            (Input('x{a="q\\"\\\\\\n",b!="c",d=~"e\\\\d",f!~"g"}', NONE, NONE),),
        ),
        ('{"a b", "c d"="é"}', (Input('{__name__="a b","c d"="é"}', NONE, NONE),)),
        ('x{a="b" or c="d"}', (Input('x{a="b" or c="d"}', NONE, NONE),)),
    ],
)
def test_inputs_are_the_selectors_and_when_they_are_read(
    promql: str, inputs: tuple[Input, ...]
) -> None:
    """Fixed moments have no age, and absence is not a sample."""
    assert read(promql).inputs == inputs


def test_freshness_is_one_question_about_all_inputs() -> None:
    """An instant selector, a range, an offset: each by its newest sample, told apart by a label."""
    asked = freshness_query(read("x / rate(y[26h]) - z offset 1d").inputs)
    assert asked == (
        'label_replace(max(timestamp(x)), "input", "0", "", "") or '
        "label_replace((max(timestamp(y)) or "
        'max(max_over_time(timestamp(y)[93600000ms:93600ms]))), "input", "1", "", "") or '
        'label_replace((max(timestamp(z offset 86400000ms)) + 86400.000000), "input", "2", "", "")'
    )
    promql_parser.parse(asked)


@pytest.mark.parametrize(
    ("window", "stride"), [("1m", "15000ms"), ("26h", "93600ms"), ("30d", "300000ms")]
)
def test_stride_through_a_window_steps_over_no_sample(window: str, stride: str) -> None:
    """At most the 5 minutes for which a sample is seen, and not too many strides."""
    assert f"ms:{stride}]" in freshness_query(read(f"rate(x[{window}])").inputs)
