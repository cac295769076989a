"""The structural schema: the dialect of JSON Schema that the API server enforces."""

from surefoot.api.v1alpha1.durations import DURATION_PATTERN, LONGEST_DURATION, parse_duration
from surefoot.api.v1alpha1.meta import ApiModel
from surefoot.api.v1alpha1.moments import LONGEST_MOMENT, MOMENT_PATTERN
from surefoot.crdgen.schema import INT_OR_STRING, RULES, Node, each_node, schema_tree, without
from surefoot.crdgen.wording import with_bounds_in_words

INHERITING = frozenset({"hold"})
"""Fields below which an absent value means "as said elsewhere": a default would end that."""

PEOPLES = frozenset({"paused", "rollback", "attempt", "run"})
"""Fields that people set while a rollout runs: absent means "as status has it"."""

_KEYWORDS = frozenset({
    "description", "type", "format", "enum", "default", "pattern", "minLength", "maxLength",
    "minimum", "maximum", "items", "minItems", "maxItems", "properties", "required",
    "additionalProperties", "minProperties", "maxProperties",
})  # fmt: skip

_DURATION_RULE = {
    "rule": f"self.matches('{DURATION_PATTERN}')",
    "message": "must be a duration: write 48h, 30m, 90s, 7d or 1h30m",
    "reason": "FieldValueInvalid",
}
"""Instead of a pattern, whose message would be the pattern."""

_DURATION_LIMIT = {
    "rule": f"!self.matches('{DURATION_PATTERN}') || "
    "(self.contains('d') ? int(self.split('d')[0]) : 0) * 86400 + "
    "duration('0s' + self.split('d')[self.contains('d') ? 1 : 0]).getSeconds() "
    f"<= {int(parse_duration(LONGEST_DURATION).total_seconds())}",
    "message": f"must be a duration of at most {LONGEST_DURATION}",
    "reason": "FieldValueInvalid",
}

_MOMENT_RULE = {
    "rule": f"self.matches(r'{MOMENT_PATTERN}')",
    "message": "must be a moment from 1970 to 2999: write 2026-03-01T10:00:00Z",
    "reason": "FieldValueInvalid",
}
"""In a spec, instead of a pattern; a status has no rules."""

_API_VERSION = {"description": "The version of this contract.", "type": "string"}
_KIND = {"description": "What kind of object this is.", "type": "string"}
_METADATA = {"type": "object"}


def structural_schema(
    kind: type[ApiModel], *, defaults: bool, status_at_first: Node | None = None
) -> Node:
    """What the API server checks of a kind and, with ``defaults``, fills into its spec.

    ``status_at_first`` is what it shows as the status while none was written.
    """
    at_first = {"default": status_at_first} if status_at_first is not None else {}
    plain = schema_tree(kind)
    described = {
        **plain["properties"],
        "spec": each_node(plain["properties"]["spec"], with_bounds_in_words),
    }
    tree = each_node({**plain, "properties": described}, _structural)
    spec, status = tree["properties"]["spec"], tree["properties"]["status"]
    spec = each_node(spec, _with_a_message)
    return {
        **tree,
        "properties": {
            "apiVersion": _API_VERSION,
            "kind": _KIND,
            "metadata": _METADATA,  # the API server knows it better than we do
            "spec": each_node(spec, _absence_kept) if defaults else _undefaulted(spec),
            "status": {**_undefaulted(status), **at_first},
        },
        "required": ["spec"],
    }


def _with_a_message(node: Node) -> Node:
    if node.get("pattern") != MOMENT_PATTERN:
        return node
    return {**without(node, "pattern"), "maxLength": LONGEST_MOMENT, RULES: [_MOMENT_RULE]}


def _structural(node: Node) -> Node:
    if node.get("pattern") == MOMENT_PATTERN:  # an API server takes a list for a formatted text
        node = without(node, "format")
    if node.get(INT_OR_STRING):
        node = without(node, "anyOf", "type")
    if node.get("pattern") == DURATION_PATTERN:
        node = {**without(node, "pattern"), RULES: [_DURATION_RULE, _DURATION_LIMIT]}
    strange = {key for key in node if key not in _KEYWORDS and not key.startswith("x-kubernetes-")}
    if strange:
        raise ValueError(f"no structural schema can say {', '.join(sorted(strange))}: {node}")
    return node


def _absence_kept(node: Node) -> Node:
    """The node, without defaults where absence has a meaning, and within lists.

    GitOps tools that compare on the client replace lists as a whole: a default filled in there is a
    difference to them for ever. The operator reads an absent value as its default anyway.
    """
    if "items" in node:
        return {**node, "items": _undefaulted(node["items"])}
    if "properties" not in node:
        return node
    return {
        **node,
        "properties": {
            name: _undefaulted(child) if name in INHERITING | PEOPLES else child
            for name, child in node["properties"].items()
        },
    }


def _undefaulted(node: Node) -> Node:
    return each_node(node, lambda child: without(child, "default"))
