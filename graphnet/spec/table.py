"""Base class of all tables of a spec, and the types of their entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

Merge = Literal["sum", "mean", "max", "product", "concat"]
Unroll = Literal["biological", "engineering"]
Unpopulated = Literal["empty", "zeros"]


def one_of(*kinds: type, saying: str) -> BeforeValidator:
    """Accept only values of these exact types: a boolean is not an integer."""

    def check(value: Any) -> Any:
        if type(value) not in kinds:
            raise PydanticCustomError("kind", "{saying}", {"saying": f"this must be {saying}"})
        return value

    return BeforeValidator(check)


TimeEntry = Annotated[int | str, one_of(int, str, saying='a time such as 4, "5..7" or "1..inf"')]
TimeList = Annotated[
    tuple[TimeEntry, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list | tuple) else (value,)),
    Field(min_length=1),
]
Number = Annotated[int | str, one_of(int, str, saying='a whole number such as 64, or a string such as "2N"')]
AsTuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Shape = Annotated[tuple[Number, ...], AsTuple, Field(min_length=1, max_length=4)]
Size = Annotated[int, Field(ge=1, le=1 << 40)]
Delay = Annotated[int, Field(ge=0, le=1_000_000)]


def _frozen(value: Any) -> Any:
    """Convert nested lists to tuples."""
    if isinstance(value, Mapping):
        return {key: _frozen(entry) for key, entry in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


Ops = Annotated[
    Any, one_of(str, list, tuple, saying='a transition function such as "BRCx2+I", or a list'), AfterValidator(_frozen)
]
"""A transition function: a string, or a list of strings and tables (rule 9)."""


class Table(BaseModel):
    """A table of a spec: unknown keys are errors, values are never coerced, instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_serializer(mode="wrap")
    def _only_what_was_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        said = {fields[name].alias or name for name in self.model_fields_set if name in fields}
        return {key: value for key, value in handler(self).items() if key in said}

    @model_validator(mode="before")
    @classmethod
    def _is_a_table(cls, value: Any) -> Any:
        value = cls.long_form(value)
        if not isinstance(value, Mapping | cls):
            raise PydanticCustomError("kind", "{saying}", {"saying": f"this must be {cls.expects()}"})
        return value

    @classmethod
    def long_form(cls, value: Any) -> Any:
        """Return the table that a short form abbreviates; anything else unchanged."""
        return value

    @classmethod
    def expects(cls) -> str:
        """Describe the expected value, for error messages."""
        return "a table"
