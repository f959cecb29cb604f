"""Types of flow parameters that say more than their Python type: a form shows the bound, and a run with another value is refused."""

from typing import Annotated

from pydantic import Field

Revision = Annotated[int, Field(ge=1)]
