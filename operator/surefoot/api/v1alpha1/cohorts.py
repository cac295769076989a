"""The users whom a cohort means: part of the plan, and of what the status remembers of it."""

from typing import Annotated

from pydantic import Field

from surefoot.api.v1alpha1.meta import SET_LIST, ApiModel


class Match(ApiModel):
    """The users who are meant, by an attribute.

    Those with a value of `in`, those without a value of `notIn`, or both.
    """

    attribute: Annotated[str, Field(min_length=1, max_length=128)]
    """The attribute of the evaluation context, compared as text. A dot leads into an object.
    Example: account.tier."""
    in_: Annotated[
        tuple[Annotated[str, Field(max_length=256)], ...],
        Field(alias="in", max_length=64),
        *SET_LIST,
    ] = ()
    """The values of the attribute that belong to the cohort. If absent, all values except those of
    `notIn` do. Example: gold, platinum."""
    not_in: Annotated[
        tuple[Annotated[str, Field(max_length=256)], ...], Field(max_length=64), *SET_LIST
    ] = ()
    """The values of the attribute that do not belong to the cohort."""
