"""Types of flow parameters that say more than their Python type: a form shows the bound, and a run with another value is refused."""

from typing import Annotated

from pydantic import Field

Revision = Annotated[int, Field(ge=1)]

# None: as many as the use case declares; 0: all there are.
Limit = Annotated[int, Field(ge=0)] | None

Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")] | None
