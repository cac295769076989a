"""What is known of a query before anybody is asked."""

from collections.abc import Callable
from datetime import timedelta

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.prometheus import queries
from surefoot.adapters.prometheus.queries import (
    LONGEST_RANGE,
    MOST_PIECES,
    Input,
    freshness_query,
    read,
)
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
    assert (read(promql).facts.fault, read(promql).facts.longest_range) == (None, longest)


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
    assert read(nested(MOST_PIECES)).facts.fault is None
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
    assert read(promql).facts.fault is None


def test_brackets_in_strings_are_not_nesting() -> None:
    """A regular expression may have as many as it likes."""
    assert read('x{a!="' + "(" * 1000 + '"}').facts.fault is None


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


def parsed_texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the parser gets to see from now on."""
    seen: list[str] = []
    parse = promql_parser.parse

    def watched(text: str) -> promql_parser.Expr:
        seen.append(text)
        return parse(text)

    monkeypatch.setattr(promql_parser, "parse", watched)
    return seen


EXPENSIVE = r"((\w{100}){10}){10}"


@pytest.mark.parametrize(
    "promql",
    [
        f'x{{a=~"{EXPENSIVE}"}}'.replace("\\", "\\\\"),
        f"x{{a!~`{EXPENSIVE}`}}",
        f"x{{a=~ # a comment\n`{EXPENSIVE}`}}",
        "sum(rate(x{" + ",".join(f"b{i}=~`\\w{{200}}`" for i in range(100)) + "}[5m]))",
        "x{a=~`(?i)\\pL{50}`}",
    ],
)
def test_expensive_regular_expression_is_not_compiled(
    promql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser would hold the interpreter's lock for seconds; the provider judges it."""
    seen = parsed_texts(monkeypatch)
    found = read(promql)
    assert found.facts.fault is None
    compiled = [text for text in seen if "=~" in text or "!~" in text]
    assert compiled
    assert not any("{50}" in text or "{100}" in text or "{200}" in text for text in compiled)


def test_expensive_regular_expression_is_kept_where_its_samples_are_asked_for() -> None:
    """Only the parser does not see it."""
    [found] = read(f"sum(rate(x{{a=~`{EXPENSIVE}`,b=~`5..`}}[5m]))").inputs
    assert found.selector == r'x{a=~"((\\w{100}){10}){10}",b=~"5.."}'


@pytest.mark.parametrize("word", ["a ", "a b", '"" ', "(a) ", "+ ", "by (a,a) "])
def test_fault_of_a_long_text_is_found_in_few_attempts(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every beginning of it was tried: 7 s of the event loop for one query."""
    attempts = parsed_texts(monkeypatch)
    text = (word * 4096)[:4096]
    assert str(read(text).facts.fault).startswith("the query ")
    assert len(attempts) <= 200


def test_fault_in_the_middle_of_a_long_text_is_where_it_is_said() -> None:
    """As in a short one."""
    labels = ", ".join(f'l{n}="x"' for n in range(100))
    text = f"sum(rate(x{{{labels}}}[5m])) nonsense by (a) {labels}"
    fault = read(text).facts.fault
    assert fault is not None
    assert f"(character {text.index('nonsense') + 1})" in fault


def test_range_longer_than_any_record_is_a_century() -> None:
    """Times of the calendar stay within what there is: an overflow would stop a rollback."""
    nested = "x"
    for _ in range(20):
        nested = f"max_over_time({nested}[290y:1d])"
    assert read(nested).facts.longest_range == LONGEST_RANGE


def test_what_is_remembered_is_bounded_by_its_bytes() -> None:
    """The oldest goes first, however large the others are."""
    memory = queries._Memory(100_000)
    for n in range(200):
        memory.put(f"{n:04}" * 1000, queries.Query(QueryFacts()))
    assert memory.size <= 100_000
    assert memory.get("0000" * 1000) is None
    assert memory.get("0199" * 1000) is not None


@pytest.mark.parametrize(
    ("promql", "is_ratio"),
    [
        ("sum(rate(a_total[5m])) / sum(rate(b_total[5m]))", True),
        ("(sum(rate(a_total[5m])) or vector(0)) / (sum(rate(b_total[5m])) > 0)", True),
        ("rate(a_seconds_sum[5m]) / rate(a_seconds_count[5m])", False),
        ("a / b", False),
        ("sum(rate(a_total[5m]))", False),
        ("(sum(rate(a_total[5m])) / sum(rate(b_total[5m]))) or vector(0)", True),
        ("sum(rate(a_total[5m])) / sum(rate(b_total[5m])) or on() vector(0)", True),
        ("1 - sum(rate(a_total[5m])) / sum(rate(b_total[5m]))", True),
        ("clamp_max(sum(rate(a_total[5m])) / sum(rate(b_total[5m])), 1)", True),
        ("avg_over_time((rate(a_total[5m]) / rate(b_total[5m]))[10m:1m])", True),
        ("max by (zone) (rate(a_total[5m]) / rate(b_total[5m]))", True),
        ("100 * (sum(rate(a_total[5m])) / sum(rate(b_total[5m])))", False),
        ("2 - sum(rate(a_total[5m])) / sum(rate(b_total[5m]))", False),
        ("sum(rate(a_total[5m]) / rate(b_total[5m]))", False),
        ("sum_over_time((rate(a_total[5m]) / rate(b_total[5m]))[10m:1m])", False),
    ],
)
def test_share_is_told_by_what_is_divided(promql: str, is_ratio: bool) -> None:
    """One count of events by another; a mean duration is none."""
    assert read(promql).facts.is_ratio == is_ratio


@pytest.mark.parametrize(
    ("promql", "may_be_empty"),
    [
        ("sum(errors_total)", True),
        ("max(increase(errors_total[1h]))", True),
        ("topk(1, rate(errors_total[5m]))", True),
        ("round(sum(rate(errors_total[5m])), 0.1)", True),
        ("clamp_max(sum(rate(errors_total[5m])) / sum(rate(requests_total[5m])), 1)", True),
        ("max_over_time(sum(rate(errors_total[5m]))[10m:1m])", True),
        ("count(up == 0)", True),
        ("count(queue_length > 5) / count(queue_length)", True),
        ("count(up == bool 0)", False),
        ("count(queue_length > 5) or vector(0)", False),
        ("round(sum(rate(errors_total[5m])) or vector(0))", False),
        ("sum(queue_length)", False),
        ("scalar(sum(rate(errors_total[5m])))", False),
        ("absent(rate(errors_total[5m]))", False),
        ("vector(1)", False),
        ("histogram_quantile(0.99, sum by (le) (rate(latency_bucket[5m])))", False),
    ],
)
def test_query_that_has_no_value_while_all_is_well_is_told(promql: str, may_be_empty: bool) -> None:
    """Whatever is done with a count that is not there: it is not there either."""
    assert read(promql).facts.may_be_empty == may_be_empty
