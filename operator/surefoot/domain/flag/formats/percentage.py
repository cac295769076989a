"""What every format writes: one key with the whole number and one JSON document for each flag."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from surefoot.api.v1alpha1.rollout import FlagFormat
from surefoot.domain.flag.formats.interface import FlagState, read_json

_DOCUMENT = ".json"


class PercentageFormat:
    """Any program reads it, from a volume or by watching."""

    name = FlagFormat.PERCENTAGE
    has_attributes = False

    def render(self, state: FlagState) -> dict[str, str]:
        """The number and the document of each flag."""
        document: dict[str, int | str] = {"percent": state.percent}
        if state.step is not None:
            document["step"] = state.step
        document["transitionId"] = state.transition_id
        document["since"] = _moment(state.written_at)
        text = _text(document)
        data: dict[str, str] = {}
        for flag in state.flags:
            data[flag] = str(state.percent)
            data[document_key(flag)] = text
        return data

    def flags_in(self, data: Mapping[str, str]) -> frozenset[str]:
        """Keys with a document beside them, keys with a number, and documents with a percentage."""
        with_document = {
            flag
            for key in data
            if key.endswith(_DOCUMENT) and (flag := key.removesuffix(_DOCUMENT)) in data
        }
        documents = {document_key(flag) for flag in with_document}
        numbers = {key for key, value in data.items() if _is_number(value)} - documents
        alone = {
            key.removesuffix(_DOCUMENT)
            for key, value in data.items()
            if key.endswith(_DOCUMENT) and _says_percent(value)
        }
        return frozenset({*with_document, *numbers, *alone})

    def zero(
        self, data: Mapping[str, str], flags: Iterable[str], written_at: datetime
    ) -> dict[str, str]:
        """Every number is 0, and every document says so."""
        text = _text({"percent": 0, "since": _moment(written_at)})
        off: dict[str, str] = {}
        for flag in sorted(flags):
            off |= {flag: "0", document_key(flag): text}
        return {key: value for key, value in off.items() if key in data}

    def same_audience(self, actual: str, expected: str) -> bool:
        """Whether the number is the same, or the document says the same percentage."""
        percent = _percent_of(expected)
        return actual == expected if percent is None else _percent_of(actual) == percent

    def describe_other_audience(self, state: FlagState, expected: str) -> str:  # noqa: ARG002
        """What must stand there; the rest of the document lets nobody in."""
        return (
            f'that does not say "percent":{state.percent} as the flag does; remove it, or make it '
            "say the same"
        )


def document_key(flag: str) -> str:
    """The key of a flag's document."""
    return f"{flag}{_DOCUMENT}"


def is_percentage(text: str) -> bool:
    """Whether a flag's value is a whole number from 0 to 100, as the operator writes it."""
    return text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 100


def _percent_of(document: str) -> int | None:
    content = read_json(document)
    percent = content.get("percent") if isinstance(content, dict) else None
    return percent if type(percent) is int else None


def _says_percent(document: str) -> bool:
    content = read_json(document)
    return isinstance(content, dict) and "percent" in content


def _is_number(text: str) -> bool:
    """Whether any program might read a number: ` 1e2 ` is one as well."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _moment(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"


def _text(document: Mapping[str, int | str]) -> str:
    return json.dumps(document, separators=(",", ":"))
