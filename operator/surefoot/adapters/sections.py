"""What all sections of the configuration file have in common."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Section(BaseModel):
    """A frozen piece of the configuration file: camelCase there, unknown fields refused.

    Faults do not show the value: it may be a secret that stands in the wrong place.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )
