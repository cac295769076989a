"""What every format of the flag must be able to do.

A format is a module beside this one and a line in `registry`. Nothing else asks which format it is.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from surefoot.api.v1alpha1.cohorts import Match
from surefoot.api.v1alpha1.rollout import FlagFormat


@dataclass(frozen=True, slots=True)
class FlagState:
    """What the flags are to say.

    ``percent`` of those who have ``bucketing_key`` are in, without those whom ``excluded`` means.
    ``step`` is the index of the step, None below the first. ``written_at`` is when the transition
    was decided, so that writing it again writes the same bytes.
    """

    flags: tuple[str, ...]
    percent: int
    bucketing_key: str
    excluded: tuple[Match, ...]
    step: int | None
    transition_id: str
    written_at: datetime


class Format(Protocol):
    """One way to write flags into a ConfigMap."""

    @property
    def name(self) -> FlagFormat:
        """What `target.format` calls it."""

    @property
    def has_attributes(self) -> bool:
        """Whether its documents can ask for attributes, so that a cohort can be kept off."""

    def render(self, state: FlagState) -> dict[str, str]:
        """The keys that this format writes, with their values. The same state, the same bytes."""

    def flags_in(self, data: Mapping[str, str]) -> frozenset[str]:
        """The flags that these keys speak of, as far as this format reads them.

        The data may have been tampered with: nothing that it holds may raise an error.
        """

    def zero(
        self, data: Mapping[str, str], flags: Iterable[str], written_at: datetime
    ) -> dict[str, str]:
        """The keys of this format that turn all of these flags off, with their values.

        ``data`` is what is there, which may have been tampered with. A key that is not there is
        not added.
        """

    def same_audience(self, actual: str, expected: str) -> bool:
        """Whether a document lets in exactly those whom the expected one lets in.

        In doubt it does not: the document is then refused.
        """

    def describe_other_audience(self, state: FlagState, expected: str) -> str:
        """What is wrong with a document that lets in others than the state, and what to do.

        It goes on after "a document NAME".
        """


def read_json(text: str) -> Any:
    """What a document says; None where programs could read it in different ways, or not at all.

    Of two values under one name some programs take the first and some the last.
    """
    try:
        return json.loads(text, object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError):
        return None


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name stands in it twice")
    return content
