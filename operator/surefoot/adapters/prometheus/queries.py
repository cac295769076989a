"""PromQL read without asking anybody: whether it parses, how far back it looks, what it reads.

The parser is promql-parser. Four things about it shape this module. It recurses, and a query
nested some thousand deep ends the process: the nesting is bounded first. A few literals make it
panic, which Python sees as a BaseException. It takes backslashes between backquotes for escapes,
which Prometheus does not: such strings are quoted anew. And its way of printing is lossy (quotes
in matchers, fractions of seconds): selectors are written out again here.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import promql_parser as promql

from surefoot.adapters.prometheus.words import one_line
from surefoot.domain.facts.measurements import QueryFacts
from surefoot.errors import SurefootError

MOST_PIECES = 250
"""Operators and brackets in one query; what people write has a tenth of that."""

LOOKBACK = timedelta(minutes=5)
"""How far back Prometheus looks for the sample of an instant selector, unless told otherwise."""

INPUT_LABEL = "input"
"""The label by which the answer to `freshness_query` tells the selectors apart."""

_STRINGS = r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`"""
_TOKEN = re.compile(rf"#[^\n]*|{_STRINGS}|[A-Za-z0-9_:.]+|\S", re.DOTALL)
_PIECE = re.compile(r"[-+*/%^<>=!(\[{@]|and|or|unless|atan2")
_CLOSES = {"(": ")", "[": "]", "{": "}"}
_READS_ABSENCE = {"absent", "absent_over_time"}
_MATCHES = (
    (promql.MatchOp.Equal, "="),
    (promql.MatchOp.NotEqual, "!="),
    (promql.MatchOp.Re, "=~"),
    (promql.MatchOp.NotRe, "!~"),
)


@dataclass(frozen=True, slots=True)
class Input:
    """Samples that a query reads: those of ``selector`` within ``window`` before ``shift`` ago.

    A window of 0 is that of an instant selector, which looks back for as long as Prometheus does.
    """

    selector: str
    window: timedelta
    shift: timedelta

    @property
    def text(self) -> str:
        """The selector and the offset at which it is read."""
        return f"{self.selector}{_offset(self.shift, promql.display_duration)}"


@dataclass(frozen=True, slots=True)
class Query:
    """What is known of the text of a query."""

    facts: QueryFacts
    inputs: tuple[Input, ...] = ()


class _FaultError(SurefootError):
    """Why a query can not be asked."""


@lru_cache(maxsize=4096)
def read(text: str) -> Query:
    """All that the text tells. Never raises: a fault is among the facts."""
    try:
        _refuse_blank_or_nested(text)
        tree = _parse(text)
        _refuse_what_is_no_series(tree)
        return Query(
            QueryFacts(longest_range=max(timedelta(0), _reach(tree))),
            tuple(dict.fromkeys(_inputs(tree, timedelta(0), timedelta(0)))),
        )
    except (_FaultError, ValueError, OverflowError) as fault:
        return Query(QueryFacts(fault=one_line(str(fault), 300)))


@lru_cache(maxsize=1024)
def freshness_query(inputs: tuple[Input, ...]) -> str:
    """One instant query for the time of the newest sample of each input that has any.

    The answer has one series an input, labelled with its index. A time is corrected by the input's
    offset, so that "a day ago" counts as fresh where samples of a day ago were asked for.
    """
    return " or ".join(_newest(index, asked) for index, asked in enumerate(inputs))


def _newest(index: int, asked: Input) -> str:
    stamps = f"timestamp({asked.selector}{_offset(asked.shift, _milliseconds)})"
    newest = f"max({stamps})"
    if asked.window:
        # timestamp() looks back no further than an instant selector. Where that finds nothing the
        # samples of the whole window are visited, in strides that step over none of them.
        stride = min(LOOKBACK, max(timedelta(seconds=15), asked.window / 1000))
        window = f"{_milliseconds(asked.window)}:{_milliseconds(stride)}"
        newest = f"({newest} or max(max_over_time({stamps}[{window}])))"
    if asked.shift:
        newest = f"({newest} + {asked.shift.total_seconds():f})"
    return f'label_replace({newest}, "{INPUT_LABEL}", "{index}", "", "")'


def _offset(shift: timedelta, write: Callable[[timedelta], str]) -> str:
    if not shift:
        return ""
    return f" offset {'-' if shift < timedelta(0) else ''}{write(abs(shift))}"


def _milliseconds(length: timedelta) -> str:
    return f"{max(1, round(length / timedelta(milliseconds=1)))}ms"


def _refuse_blank_or_nested(text: str) -> None:
    if not text.strip():
        raise _FaultError("the query is empty")
    pieces = sum(bool(_PIECE.fullmatch(token)) for token in _TOKEN.findall(text))
    if pieces > MOST_PIECES:
        raise _FaultError(
            f"the query has {pieces} operators and brackets, at most {MOST_PIECES} are taken: "
            f"move parts of it into recording rules"
        )


def _parse(text: str) -> promql.Expr:
    try:
        return _parse_or_panic(text)
    except ValueError as error:
        said = str(error)
    if said == "no expression found in input":
        raise _FaultError("the query is only a comment")
    if said == "invalid promql query":
        raise _FaultError(f"the query does not parse: {_place_of_fault(text)}")
    raise _FaultError(f"the query does not parse: {said}")


def _parse_or_panic(text: str) -> promql.Expr:
    try:
        return promql.parse(_TOKEN.sub(_without_raw_string, text))
    except ValueError:
        raise
    except BaseException as panic:
        if type(panic).__name__ != "PanicException":
            raise
        raise ValueError("it has a number or duration that is out of range") from None


def _without_raw_string(token: re.Match[str]) -> str:
    found = token.group()
    is_raw = len(found) > 1 and found.startswith("`")
    return json.dumps(found[1:-1], ensure_ascii=False) if is_raw else found


def _place_of_fault(text: str) -> str:
    """Where it stops making sense: after the longest beginning that parses once it is closed."""
    tokens = list(_TOKEN.finditer(text))
    for last in range(len(tokens) - 1, -1, -1):
        start = text[: tokens[last].end()]
        if _parses(start + _closing(match.group() for match in tokens[: last + 1])):
            rest = tokens[last + 1 :]
            if not rest:
                return "it ends too early"
            at = rest[0].start()
            return f'not understood from "{one_line(text[at:], 40)}" on (character {at + 1})'
    return f'not understood from "{one_line(text.strip(), 40)}" on'


def _parses(text: str) -> bool:
    try:
        _parse_or_panic(text)
    except ValueError:
        return False
    return True


def _closing(tokens: Iterator[str]) -> str:
    open_ones: list[str] = []
    for token in tokens:
        if token in _CLOSES:
            open_ones.append(_CLOSES[token])
        elif open_ones and token == open_ones[-1]:
            open_ones.pop()
    return "".join(reversed(open_ones))


def _refuse_what_is_no_series(tree: promql.Expr) -> None:
    while isinstance(tree, promql.ParenExpr):
        tree = tree.expr
    if isinstance(tree, promql.StringLiteral):
        raise _FaultError("the query yields a string, not a number")
    if isinstance(tree, promql.MatrixSelector | promql.SubqueryExpr):
        raise _FaultError(
            "the query yields a range of samples at each point, not one value: "
            "wrap it, as in rate(x[5m]) or last_over_time(x[5m])"
        )


def _children(node: promql.Expr) -> tuple[promql.Expr, ...]:
    match node:
        case promql.BinaryExpr():
            return node.lhs, node.rhs
        case promql.AggregateExpr():
            param = (node.param,) if isinstance(node.param, promql.Expr) else ()
            return (*param, node.expr)
        case promql.Call():
            return tuple(node.args)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return (node.expr,)
        case promql.MatrixSelector():
            return (node.vector_selector,)
        case _:
            return ()


def _own_window(node: promql.Expr) -> timedelta:
    if isinstance(node, promql.MatrixSelector | promql.SubqueryExpr):
        return _length(lambda: node.range)
    return timedelta(0)


def _own_shift(node: promql.Expr) -> timedelta:
    if isinstance(node, promql.VectorSelector | promql.SubqueryExpr):
        return _length(lambda: node.offset)
    return timedelta(0)


def _length(ask: Callable[[], timedelta | None]) -> timedelta:
    """A range or offset; the parser can hold longer ones than Python, and raises only here."""
    try:
        return ask() or timedelta(0)
    except (ValueError, OverflowError):
        raise _FaultError("the query has a range or offset that is too long") from None


def _reach(node: promql.Expr) -> timedelta:
    """How far back the samples lie that this part reads: ranges and offsets along one path."""
    own = _own_window(node) + _own_shift(node)
    return own + max((_reach(child) for child in _children(node)), default=timedelta(0))


def _inputs(node: promql.Expr, window: timedelta, shift: timedelta) -> Iterator[Input]:
    if _reads_absence(node) or _is_pinned(node):
        return
    window += _own_window(node)
    shift += _own_shift(node)
    if isinstance(node, promql.VectorSelector):
        yield Input(_selector(node), window, shift)
    for child in _children(node):
        yield from _inputs(child, window, shift)


def _reads_absence(node: promql.Expr) -> bool:
    """Where it is the absence of samples that is asked for, their age says nothing."""
    return isinstance(node, promql.Call) and node.func.name in _READS_ABSENCE


def _is_pinned(node: promql.Expr) -> bool:
    """Whether `@` fixes the moment, which then has no age. `@ end()` is where the window ends."""
    at: Any = getattr(node, "at", None)
    return at is not None and at.type != promql.AtModifierType.End


def _selector(node: promql.VectorSelector) -> str:
    matchers = [_matcher(each) for each in node.matchers.matchers]
    alternatives = [[_matcher(each) for each in group] for group in node.matchers.or_matchers]
    groups = [",".join(matchers)] if matchers else []
    inside = " or ".join(groups + [",".join(group) for group in alternatives])
    return f"{node.name or ''}{{{inside}}}" if inside else node.name or ""


def _matcher(matcher: promql.Matcher) -> str:
    operator = next(sign for kind, sign in _MATCHES if kind == matcher.op)
    name = matcher.name
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        name = json.dumps(name, ensure_ascii=False)
    return f"{name}{operator}{json.dumps(matcher.value, ensure_ascii=False)}"
