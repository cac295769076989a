"""PromQL read without asking anybody: whether it parses, how far back it looks, what it reads.

The parser is promql-parser. Five things about it shape this module. It compiles regular
expressions while it holds the interpreter's lock, for seconds where a query is made for it: it does
not see those that are more than plain alternatives, and the provider judges them. It recurses, and
a query nested some thousand deep ends the process: the nesting is bounded first. A few literals
make it panic, which Python sees as a BaseException. It takes backslashes between backquotes for
escapes, which Prometheus does not: such strings are quoted again. And its way of printing is lossy
(quotes in matchers, fractions of seconds): selectors are written out again here.
"""

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from threading import Lock
from typing import Any

import promql_parser as promql

from surefoot.adapters.prometheus.words import one_line
from surefoot.domain.facts.measurements import QueryFacts
from surefoot.errors import SurefootError

MOST_PIECES = 250
"""Operators and brackets in one query; what people write has a tenth of that."""

LOOKBACK = timedelta(minutes=5)
"""How far back Prometheus looks for the sample of an instant selector, unless told otherwise."""

LONGEST_RANGE = timedelta(days=36_525)
"""A century: no samples are older, and times of the calendar stay within what there is."""

INPUT_LABEL = "input"
"""The label by which the answer to `freshness_query` tells the selectors apart."""

# A string that is not closed reaches to the end: to look for its end at every quote takes long.
_STRINGS = r""""(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|`[^`]*`?"""
_TOKEN = re.compile(rf"#[^\n]*|{_STRINGS}|[A-Za-z0-9_:.]+|\S", re.DOTALL)
_PIECE = re.compile(r"[-+*/%^<>=!(\[{@]|and|or|unless|atan2")
_CLOSES = {"(": ")", "[": "]", "{": "}"}
_SIMPLE_REGEX = re.compile(r"(?:[A-Za-z0-9_:/,|()*+?^$ .=<>@%~-]|\\[.+*?()|^$/-])*")
"""What costs the parser next to nothing to compile: no classes of characters, no counts."""
_PLACEHOLDER = "surefoot-regex-"
_MOST_REMEMBERED = 4 * 1024 * 1024
"""Bytes of all that is remembered of queries."""
_OVERHEAD = 512
"""Bytes that an entry takes besides its texts, roughly."""
_EXACT_TOKENS = 60
_PROBES = 8
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
    """Why a query cannot be asked."""


class _Memory:
    """What was read, bounded by the bytes that it takes; the oldest go first. Safe in threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._known: OrderedDict[str, tuple[Query, int]] = OrderedDict()
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        return self._bytes

    def get(self, text: str) -> Query | None:
        """What was read of a text; None where it was not read, or is forgotten."""
        with self._lock:
            cached = self._known.get(text)
            if cached is None:
                return None
            self._known.move_to_end(text)
            return cached[0]

    def put(self, text: str, query: Query) -> None:
        """Remember it, and forget what is too much."""
        size = _OVERHEAD + 4 * len(text) + sum(4 * len(i.selector) + 128 for i in query.inputs)
        with self._lock:
            if text in self._known:
                return
            self._known[text] = (query, size)
            self._bytes += size
            while self._bytes > self._most_bytes and len(self._known) > 1:
                _, (_, freed) = self._known.popitem(last=False)
                self._bytes -= freed


_memory = _Memory(_MOST_REMEMBERED)


def remembered(text: str) -> Query | None:
    """What is known of the text already."""
    return _memory.get(text)


def read(text: str) -> Query:
    """All that the text tells. Never raises: a fault is among the facts.

    It takes up to some tenths of a second where the text is made for it: not for the event loop.
    """
    known = _memory.get(text)
    if known is None:
        known = _read(text)
        _memory.put(text, known)
    return known


def _read(text: str) -> Query:
    try:
        _refuse_blank_or_nested(text)
        tree, hidden = _parse(text)
        _refuse_what_is_no_series(tree)
        return Query(
            QueryFacts(
                longest_range=min(max(timedelta(0), _reach(tree)), LONGEST_RANGE),
                is_ratio=_is_ratio(tree),
                may_be_empty=_may_be_empty(tree),
            ),
            tuple(dict.fromkeys(_inputs(tree, timedelta(0), timedelta(0), hidden))),
        )
    except (_FaultError, ValueError, OverflowError) as fault:
        return Query(QueryFacts(fault=one_line(str(fault), 300)))


@lru_cache(maxsize=64)
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


def _parse(text: str) -> tuple[promql.Expr, tuple[str, ...]]:
    """The tree, and the strings that the parser did not see."""
    try:
        return _parse_or_panic(text)
    except ValueError as error:
        message = str(error)
    if message == "no expression found in input":
        raise _FaultError("the query is only a comment")
    if message == "invalid promql query":
        raise _FaultError(f"the query does not parse: {_place_of_fault(text)}")
    raise _FaultError(f"the query does not parse: {message}")


def _parse_or_panic(text: str) -> tuple[promql.Expr, tuple[str, ...]]:
    hidden: list[str] = []
    try:
        return promql.parse(_prepared(text, hidden)), tuple(hidden)
    except ValueError:
        raise
    except BaseException as panic:
        if type(panic).__name__ != "PanicException":
            raise
        raise ValueError("it has a number or duration that is out of range") from None


def _prepared(text: str, hidden: list[str]) -> str:
    """The text with raw strings quoted again, and without expensive regular expressions."""
    pieces, reached, before = [], 0, ""
    for token in _TOKEN.finditer(text):
        word = token.group()
        if len(word) > 1 and word[0] in "\"'`" and word[-1] == word[0]:
            pieces += [text[reached : token.start()], _prepared_string(word, before, hidden)]
            reached = token.end()
        if not word.startswith("#"):
            before = (before + word)[-2:]
    return "".join([*pieces, text[reached:]])


def _prepared_string(word: str, before: str, hidden: list[str]) -> str:
    raw = word[1:-1]
    is_plain = _SIMPLE_REGEX.fullmatch(raw) and not raw.startswith(_PLACEHOLDER)
    if before in {"=~", "!~"} and not is_plain:
        hidden.append(raw if word[0] == "`" else _unquoted(word))
        return f'"{_PLACEHOLDER}{len(hidden) - 1}"'
    return json.dumps(raw, ensure_ascii=False) if word[0] == "`" else word


def _unquoted(word: str) -> str:
    """The value of a quoted string, as the parser itself reads it."""
    literal = promql.parse(word)
    return literal.val if isinstance(literal, promql.StringLiteral) else word[1:-1]


def _place_of_fault(text: str) -> str:
    """Where it stops making sense: after the longest beginning that parses once it is closed."""
    tokens = list(_TOKEN.finditer(text))
    last = _last_understood(text, tokens)
    if last is None:
        return f'not understood from "{one_line(text.strip(), 40)}" on'
    rest = tokens[last + 1 :]
    if not rest:
        return "it ends too early"
    at = rest[0].start()
    return f'not understood from "{one_line(text[at:], 40)}" on (character {at + 1})'


def _last_understood(text: str, tokens: list[re.Match[str]]) -> int | None:
    """The index of the last token of the longest beginning that parses.

    Beginnings of a short text are all tried. In a long one the fault is enclosed first: beginnings
    parse up to it, but for gaps of a few tokens, and none parses beyond it.
    """
    low, high = -1, len(tokens)
    while high - low > _EXACT_TOKENS:
        middle = (low + high) // 2
        last = _last_parsing(text, tokens, middle, middle - _PROBES)
        if last is None:
            high = middle
        else:
            low = middle
    last = _last_parsing(text, tokens, high - 1, low)
    return low if last is None and low >= 0 else last


def _last_parsing(text: str, tokens: list[re.Match[str]], newest: int, oldest: int) -> int | None:
    for last in range(newest, oldest, -1):
        start = text[: tokens[last].end()]
        if _parses(start + _closing(token.group() for token in tokens[: last + 1])):
            return last
    return None


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


def _inputs(
    node: promql.Expr, window: timedelta, shift: timedelta, hidden: tuple[str, ...]
) -> Iterator[Input]:
    if _reads_absence(node) or _is_pinned(node):
        return
    window += _own_window(node)
    shift += _own_shift(node)
    if isinstance(node, promql.VectorSelector):
        yield Input(_selector(node, hidden), window, shift)
    for child in _children(node):
        yield from _inputs(child, window, shift, hidden)


def _reads_absence(node: promql.Expr) -> bool:
    """Where it is the absence of samples that is asked for, their age says nothing."""
    return isinstance(node, promql.Call) and node.func.name in _READS_ABSENCE


def _is_pinned(node: promql.Expr) -> bool:
    """Whether `@` fixes the moment, which then has no age. `@ end()` is where the window ends."""
    at: Any = getattr(node, "at", None)
    return at is not None and at.type != promql.AtModifierType.End


_COUNTS = frozenset({"rate", "increase", "irate", "count_over_time"})
_KEEP_SHARES = frozenset(
    {"clamp", "clamp_max", "clamp_min", "round", "sort", "sort_desc"}
    | {f"{kind}_over_time" for kind in ("avg", "min", "max", "last", "quantile")}
)
_HAVE_VALUES = frozenset({"scalar", "vector", "histogram_quantile", *_READS_ABSENCE})
"""Functions that have a value where what they read has none, and quantiles, which say how long
something took: without traffic nothing took any time."""
_COMPARISONS = frozenset({"==", "!=", ">", ">=", "<", "<="})
_MEASURES = ("_sum", "_seconds", "_bytes", "_seconds_total", "_bytes_total")
"""Ends of the names of counters that do not count events."""


def _bare(node: promql.Expr) -> promql.Expr:
    """The expression within its parentheses."""
    while isinstance(node, promql.ParenExpr):
        node = node.expr
    return node


def _operator(node: promql.AggregateExpr | promql.BinaryExpr) -> str:
    return str(node.op)


def _is_ratio(tree: promql.Expr) -> bool:
    """Whether it divides a count of events by another, as far as their names tell.

    A default, the rest of the whole, and a mean or an extreme of shares are shares as well.
    """
    node = _bare(tree)
    match node:
        case promql.BinaryExpr() if _operator(node) == "/":
            return _counts_events(node.lhs) and _counts_events(node.rhs)
        case promql.BinaryExpr() if _operator(node) == "-":
            whole = _bare(node.lhs)
            is_whole = isinstance(whole, promql.NumberLiteral) and whole.val == 1
            return is_whole and _is_ratio(node.rhs)
        case promql.BinaryExpr() if _operator(node) == "or" or _filters(node):
            return _is_ratio(node.lhs)
        case promql.AggregateExpr():
            return _operator(node) in {"avg", "min", "max"} and _is_ratio(node.expr)
        case promql.Call():
            return node.func.name in _KEEP_SHARES and any(map(_is_ratio, node.args))
        case promql.SubqueryExpr():
            return _is_ratio(node.expr)
        case _:
            return False


def _filters(node: promql.BinaryExpr) -> bool:
    """Whether it leaves out what does not compare so, rather than saying 0 or 1 of everything."""
    is_said = node.modifier is not None and node.modifier.return_bool
    return _operator(node) in _COMPARISONS and not is_said


def _counts_events(tree: promql.Expr) -> bool:
    """Whether it is a rate or an increase of events, summed or not, with a default or not."""
    node = _bare(tree)
    match node:
        case promql.Call():
            return node.func.name in _COUNTS and not any(map(_measures, node.args))
        case promql.AggregateExpr():
            return _operator(node) == "sum" and _counts_events(node.expr)
        case promql.BinaryExpr() if _operator(node) in {">", ">=", "!=", "or", "and", "unless"}:
            return _counts_events(node.lhs)
        case _:
            return False


def _measures(node: promql.Expr) -> bool:
    """Whether the samples that it reads are seconds or bytes, by their name."""
    if isinstance(node, promql.VectorSelector):
        return (node.name or "").endswith(_MEASURES)
    return any(map(_measures, _children(node)))


def _may_be_empty(tree: promql.Expr) -> bool:
    """Whether it counts events, or what exceeds a bound, and has no value where there is none.

    What it is divided by does not matter: without traffic there is no share of it.
    """
    node = _bare(tree)
    match node:
        case promql.VectorSelector():
            return (node.name or "").endswith("_total")
        case promql.Call():
            name = node.func.name
            return name in _COUNTS or (
                name not in _HAVE_VALUES and any(map(_may_be_empty, node.args))
            )
        case promql.AggregateExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return _may_be_empty(node.expr)
        case promql.BinaryExpr() if _operator(node) == "or":
            return _may_be_empty(node.lhs) and _may_be_empty(node.rhs)
        case promql.BinaryExpr() if _operator(node) in {"+", "-", "*"}:
            return _may_be_empty(node.lhs) or _may_be_empty(node.rhs)
        case promql.BinaryExpr():
            return _filters(node) or _may_be_empty(node.lhs)
        case _:
            return False


def _selector(node: promql.VectorSelector, hidden: tuple[str, ...]) -> str:
    matchers = [_matcher(matcher, hidden) for matcher in node.matchers.matchers]
    alternatives = [
        [_matcher(matcher, hidden) for matcher in group] for group in node.matchers.or_matchers
    ]
    groups = [",".join(matchers)] if matchers else []
    inside = " or ".join(groups + [",".join(group) for group in alternatives])
    return f"{node.name or ''}{{{inside}}}" if inside else node.name or ""


def _matcher(matcher: promql.Matcher, hidden: tuple[str, ...]) -> str:
    operator = next(sign for kind, sign in _MATCHES if kind == matcher.op)
    name = matcher.name
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        name = json.dumps(name, ensure_ascii=False)
    value = matcher.value
    number = value.removeprefix(_PLACEHOLDER)
    if operator in {"=~", "!~"} and number != value and number.isdecimal():
        value = hidden[int(number)] if int(number) < len(hidden) else value
    return f"{name}{operator}{json.dumps(value, ensure_ascii=False)}"
