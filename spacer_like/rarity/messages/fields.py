"""The types of fields that several messages have, each with the bounds that all of them keep."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictFloat, StrictInt, StrictStr

CollectionId = Annotated[StrictStr, Field(min_length=1, max_length=200)]
Share = Annotated[StrictFloat | StrictInt, Field(gt=0, le=1)]
Seed = Annotated[StrictInt, Field(ge=0, lt=2**32)]
