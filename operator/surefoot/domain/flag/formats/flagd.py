"""The flags as flagd and the OpenFeature SDKs read them: a flag definition document.

Those who were in stay in. Who is in follows from the hash of the flag's name and the bucketing key,
so from step to step nothing changes but two whole weights whose sum is 100, `on` before `off`. Who
lacks the bucketing key would share one bucket with all others who do, so the document asks first.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from surefoot.api.v1alpha1.cohorts import Match
from surefoot.api.v1alpha1.rollout import FlagFormat
from surefoot.domain.flag.formats.interface import FlagState, read_json

FLAGD_KEY = "flags.flagd.json"
"""The key of the ConfigMap that has the document."""

ON, OFF = "on", "off"
_JSON = dict[str, Any]
_MOST_FLAGS_OFF = 4096
"""So many flags are defined as off, because a ConfigMap has room for a megabyte. More than a target
can name were put there by somebody else, and a flag that is not defined lets nobody in."""
_SHOWN = 1024
_FLAG_NAME = re.compile(r"[-._a-zA-Z0-9]{1,253}")


class FlagdFormat:
    """One document for all flags, which flagd and its SDKs read."""

    name = FlagFormat.FLAGD
    has_attributes = True

    def render(self, state: FlagState) -> dict[str, str]:
        """The document."""
        return {
            FLAGD_KEY: flagd_document(
                state.flags, state.percent, state.bucketing_key, state.excluded
            )
        }

    def flags_in(self, data: Mapping[str, str]) -> frozenset[str]:
        """The flags that the document defines, if it can be read."""
        flags = _flags_of(data.get(FLAGD_KEY, ""))
        names = filter(_FLAG_NAME.fullmatch, flags if isinstance(flags, dict) else ())
        return frozenset(islice(names, _MOST_FLAGS_OFF))

    def zero(
        self,
        data: Mapping[str, str],
        flags: Iterable[str],
        written_at: datetime,  # noqa: ARG002 - the document does not say it
    ) -> dict[str, str]:
        """A document of flags without targeting."""
        if FLAGD_KEY not in data:
            return {}
        return {FLAGD_KEY: flagd_document(sorted(flags)[:_MOST_FLAGS_OFF], 0, "")}

    def same_audience(self, actual: str, expected: str) -> bool:
        """Whether all flags are defined by the same values.

        A weight of 10.0 is none of 10: it serves nobody.
        """
        return _canonical(_flags_of(actual)) == _canonical(_flags_of(expected))

    def describe_other_audience(self, state: FlagState, expected: str) -> str:
        """The whole document that must stand there, so that it can be copied."""
        shown = expected if len(expected) <= _SHOWN else f"{expected[: _SHOWN - 1]}…"
        return (
            f"that may let in others than {state.percent}% of {state.bucketing_key} by this plan; "
            f'remove it, or make it say "{shown}"'
        )


def flagd_document(
    flags: Iterable[str], percent: int, bucketing_key: str, excluded: tuple[Match, ...] = ()
) -> str:
    """The definitions of flags of which ``percent`` % are on, without those who are excluded.

    At 0% there is no targeting: nobody is in, whatever their attributes.
    """
    targeting = _targeting(percent, bucketing_key, excluded) if percent > 0 else None
    definitions = {flag: _definition(targeting) for flag in flags}
    return json.dumps({"flags": definitions}, separators=(",", ":"))


def _definition(targeting: _JSON | None) -> _JSON:
    definition: _JSON = {
        "state": "ENABLED",
        "variants": {ON: True, OFF: False},
        "defaultVariant": OFF,
    }
    return definition if targeting is None else definition | {"targeting": targeting}


def _targeting(percent: int, bucketing_key: str, excluded: tuple[Match, ...]) -> _JSON:
    share: _JSON = {
        "fractional": [
            {"cat": [{"var": "$flagd.flagKey"}, {"var": bucketing_key}]},
            [ON, percent],
            [OFF, 100 - percent],
        ]
    }
    if excluded:
        share = _off_if({"or": [_is_meant(match) for match in excluded]}, share)
    needed = [bucketing_key, *(match.attribute for match in excluded)]
    return _off_if({"missing": list(dict.fromkeys(needed))}, share)


def _off_if(condition: _JSON, otherwise: _JSON) -> _JSON:
    # Three arguments: flagd knows no longer form of `if`.
    return {"if": [condition, OFF, otherwise]}


def _is_meant(match: Match) -> _JSON:
    # As text: an attribute that comes as the number 7 is the "7" of the plan.
    value = {"cat": [{"var": match.attribute}]}
    among = {"in": [value, list(match.in_)]}
    beyond = {"!": [{"in": [value, list(match.not_in)]}]}
    if not match.not_in:
        return among
    return {"and": [among, beyond]} if match.in_ else beyond


def _flags_of(document: str) -> Any:
    content = read_json(document)
    return content.get("flags") if isinstance(content, dict) else None


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
