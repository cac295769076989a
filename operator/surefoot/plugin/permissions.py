"""What to say to somebody whom the API server does not let in: the right that lacks, and its role.

Pure.
"""

import re
import shlex

_REFUSAL = re.compile(
    r'[Uu]ser "(?P<user>[^"]+)" cannot (?P<verb>[\w:-]+) resource "(?P<resource>[^"]+)"'
    r'(?: in API group "(?P<group>[^"]*)")?(?: in the namespace "(?P<namespace>[^"]+)")?'
)
_AS_OTHERS = "impersonate"
"""Also the beginning of `impersonate-on:user-info:list`, which newer API servers name."""
_READS = frozenset({"get", "list", "watch"})
_WRITERS = {
    "rollouts": "surefoot-author",
    "approvals": "surefoot-approver",
    "checkpoints": "surefoot-reporter",
    "configmaps": "surefoot-administrator",
}


def role_for(verb: str, resource: str) -> str | None:
    """The smallest of the shipped roles that gives a right; None where none is for it."""
    if verb in _READS and resource in {"rollouts", "approvals", "checkpoints"}:
        return "surefoot-viewer"
    return _WRITERS.get(resource)


def explained(refusal: str) -> str:
    """The API server's refusal, with the binding that would change it."""
    match = _REFUSAL.search(refusal)
    if match is None:
        return refusal
    user, verb, resource, namespace = match.group("user", "verb", "resource", "namespace")
    if verb.startswith(_AS_OTHERS):
        return (
            f'User "{user}" may not act as somebody else (--as, --as-group): an administrator can '
            f"allow the verb {_AS_OTHERS} on users and groups, for those names alone"
        )
    where = f"namespace {namespace}" if namespace else "the whole cluster"
    said = f'User "{user}" cannot {verb} resource "{resource}" in {where}'
    role = role_for(verb, resource)
    if role is None:
        return f"{said}: ask an administrator"
    return f"{said}: an administrator can allow it by\n  $ {_binding(user, role, namespace)}"


def _binding(user: str, role: str, namespace: str | None) -> str:
    kind, place = ("rolebinding", f" -n {namespace}") if namespace else ("clusterrolebinding", "")
    parts = user.split(":")
    if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4:
        name, who = parts[3], f"--serviceaccount={parts[2]}:{parts[3]}"
    else:
        name = re.sub(r"[^a-z0-9]+", "-", user.lower()).strip("-") or "somebody"
        who = f"--user={shlex.quote(user)}"
    return f"kubectl create {kind} {name}-{role}{place} --clusterrole={role} {who}"
