"""The base of every room's settings. Apart from the nouns, for most commands read no settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of every room's settings: frozen, and a key nobody knows is an error."""

    # An error of pydantic's shows what it was given: that may be a session in the wrong place, or a proxy's password.
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False, hide_input_in_errors=True)
