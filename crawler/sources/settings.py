"""[source]: where ids come from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from crawler.section import Section


class SourceSettings(Section):
    """Where ids come from."""

    kind: Literal["ids", "pairs", "urls", "manifest"] = Field(
        default="ids",
        description="ids | pairs | urls | manifest (what `export --to manifest` wrote: exactly those images)",
    )
    path: str | tuple[str, ...] = Field(default="", description='a file, a list of files, or "-" for standard input')
    column: str = Field(
        default="", description="csv: header name or 0-based number; empty: every column of a pair list, else the first"
    )
    key_column: str = Field(
        default="", description="urls: take the identity from this column instead of the URL's digest"
    )
