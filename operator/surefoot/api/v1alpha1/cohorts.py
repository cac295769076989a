"""Whom a cohort means: part of the plan, and of what the status remembers of it."""

from typing import Annotated

from pydantic import Field

from surefoot.api.v1alpha1.meta import SET_LIST, ApiModel, Rule

OF_THE_EVALUATOR = "$flagd"
"""What flagd adds to every context by itself: the same for everybody, so it tells nobody apart."""


class Match(ApiModel):
    """Who is meant, by an attribute: `in`, `notIn`, or those of `in` that are not in `notIn`."""

    attribute: Annotated[str, Field(min_length=1, max_length=128)]
    """The attribute of the evaluation context, compared as text. A dot leads into an object:
    `account.tier`."""
    in_: Annotated[
        tuple[Annotated[str, Field(max_length=256)], ...],
        Field(alias="in", max_length=64),
        *SET_LIST,
    ] = ()
    """Its values that are meant; if absent, all but those of `notIn`."""
    not_in: Annotated[
        tuple[Annotated[str, Field(max_length=256)], ...], Field(max_length=64), *SET_LIST
    ] = ()
    """Its values that are not meant."""

    rules = (
        Rule(
            cel=f"!self.attribute.startsWith('{OF_THE_EVALUATOR}')",
            message="attributes that begin with $flagd are the same for everybody: name one of "
            "your own",
            holds=lambda match: not match.attribute.startswith(OF_THE_EVALUATOR),
            field=".attribute",
        ),
    )
