"""The flags as flagd and the OpenFeature SDKs read them: a flag definition document.

Whoever was in stays in. Who is in follows from the hash of the flag's name and the bucketing key,
so from step to step nothing changes but two whole weights whose sum is 100, `on` before `off`. Who
lacks the bucketing key would share one bucket with all others who do, so the document asks first.
"""

import json
from collections.abc import Iterable
from typing import Any

from surefoot.api.v1alpha1.cohorts import Match

FLAGD_KEY = "flags.flagd.json"
"""The key of the ConfigMap that has the document."""

ON, OFF = "on", "off"
_JSON = dict[str, Any]


def flagd_document(
    flags: Iterable[str], percent: int, bucketing_key: str, excluded: tuple[Match, ...] = ()
) -> str:
    """The definitions of flags of which ``percent`` % are on, without those who are excluded.

    At 0 % there is no targeting: nobody is in, whatever their attributes.
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


def buckets_alike(found: str, expected: str) -> bool:
    """Whether a document lets in exactly those whom the expected one lets in, as far as it shows.

    Its flags must be defined by the same values. A weight of 10.0 is none of 10: it serves nobody.
    """
    try:
        says = json.loads(found)
    except (ValueError, RecursionError):
        return False
    flags = says.get("flags") if isinstance(says, dict) else None
    return _canonical(flags) == _canonical(json.loads(expected)["flags"])


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
