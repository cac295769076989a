"""The rules, by their stable ids. An id is never used for anything else."""

from typing import Final

from surefoot.lint.finding import Level, Rule

_ERROR, _WARNING, _NOTE = Level.ERROR, Level.WARNING, Level.NOTE

YAML: Final = Rule("SF001", "yaml", _ERROR, "What is no YAML cannot be applied.")
REPEATED: Final = Rule(
    "SF002",
    "repeated-name",
    _ERROR,
    "Of a name that is there twice, readers keep one or the other.",
)
UNKNOWN_FIELD: Final = Rule(
    "SF003", "unknown-field", _ERROR, "The API server drops a field that it does not know."
)
WRONG_VALUE: Final = Rule("SF004", "wrong-value", _ERROR, "The API server refuses the value.")
BROKEN_RULE: Final = Rule(
    "SF005", "broken-rule", _ERROR, "The API server refuses fields that do not fit each other."
)
HIDDEN_CHARACTER: Final = Rule(
    "SF006",
    "hidden-character",
    _WARNING,
    "A character that is not seen, or turns others around, makes a text look like another.",
)
STATUS_WRITTEN: Final = Rule(
    "SF007", "status-in-a-file", _WARNING, "The status is the operator's: it is ignored on apply."
)
PERSONS_FIELD: Final = Rule(
    "SF008",
    "field-of-a-person",
    _WARNING,
    "Whoever keeps the file would set back what people set while the rollout runs.",
)
INVALID_PLAN: Final = Rule(
    "SF010", "invalid-plan", _ERROR, "An invalid plan advances nothing until it is mended."
)
INVALID_QUERY: Final = Rule(
    "SF011", "invalid-query", _ERROR, "A query that cannot be asked leaves its gates closed."
)
EXPANSION: Final = Rule(
    "SF012",
    "expansion-too-large",
    _ERROR,
    "A plan with a larger step than its limit does not start.",
)
NOBODY_CAN_SIGN: Final = Rule(
    "SF013",
    "nobody-can-sign",
    _ERROR,
    "A step that nobody may sign for is never left; the author of a plan may not sign for it.",
)

BOUND: Final = Rule(
    "SF101",
    "bound-cannot-be-meant",
    _WARNING,
    "A share lies between 0 and 1: a bound beyond that is always or never kept.",
)
LOOSE_GATE: Final = Rule(
    "SF102",
    "gate-looser-than-trigger",
    _WARNING,
    "A gate that holds where a trigger fires on the same metric says nothing.",
)
NO_VALUE: Final = Rule(
    "SF103",
    "no-value-until-something-fails",
    _WARNING,
    "A gate or trigger on a query without a value waits for data while all is well.",
)
SHORT_RANGE: Final = Rule(
    "SF104",
    "range-shorter-than-two-scrapes",
    _WARNING,
    "A rate needs two samples: a shorter range has no value at most moments.",
)
ONE_ABSENCE: Final = Rule(
    "SF105",
    "one-absence-blocks-the-quorum",
    _WARNING,
    "A quorum is there so that somebody may be absent.",
)
SOLE_SIGNER: Final = Rule(
    "SF106",
    "sole-signer",
    _NOTE,
    "A role that one person alone may sign for waits for that person, and for nobody if they are "
    "the author.",
)
LONG_WINDOW: Final = Rule(
    "SF107",
    "for-beyond-what-is-kept",
    _WARNING,
    "A provider keeps samples for a limited time: a longer window is never full.",
)
LATE_TRIGGER: Final = Rule(
    "SF108",
    "trigger-later-than-the-hold",
    _WARNING,
    "A trigger that needs longer than the hold has not spoken when the step is left.",
)
NO_HOLD: Final = Rule(
    "SF109",
    "step-without-hold",
    _WARNING,
    "A step that asks for nothing is left as soon as entered.",
)
UNUSED_METRIC: Final = Rule(
    "SF110", "unused-metric", _NOTE, "A metric that nothing looks at is not asked for."
)

RULES: Final = (
    YAML, REPEATED, UNKNOWN_FIELD, WRONG_VALUE, BROKEN_RULE, HIDDEN_CHARACTER, STATUS_WRITTEN,
    PERSONS_FIELD, INVALID_PLAN, INVALID_QUERY, EXPANSION, NOBODY_CAN_SIGN, BOUND, LOOSE_GATE,
    NO_VALUE, SHORT_RANGE, ONE_ABSENCE, SOLE_SIGNER, LONG_WINDOW, LATE_TRIGGER, NO_HOLD,
    UNUSED_METRIC,
)  # fmt: skip
