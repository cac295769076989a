"""What to do where RBAC refuses the operator something that its role allows."""

import re

from surefoot.errors import ApiError, Refused

ROLE_REMEDY = (
    "the operator's role is missing, incomplete or not bound: apply the installation again, with "
    "the ClusterRole surefoot-operator and its bindings"
)

_REFUSED_BY_RBAC = re.compile(r'User "[^"]*" cannot \S+ resource ')
"""RBAC's own words. Admission policies and webhooks answer 403 as well, in others."""


def remedy_of(error: ApiError) -> str:
    """What to do about it; empty where it is not RBAC's."""
    is_rbac = isinstance(error, Refused) and _REFUSED_BY_RBAC.search(str(error)) is not None
    return ROLE_REMEDY if is_rbac else ""


def with_remedy(error: ApiError) -> str:
    """What the API server said, and what to do about it."""
    return "; ".join(filter(None, (str(error), remedy_of(error))))
