"""Labels of members, beside the member itself."""

from __future__ import annotations

from typing import Any

from msgspec import Meta


def about(title: str, description: str = "", example: Any = None, media: str = "") -> Meta:
    """What the form, the reference and the API's schema say of a member. `example` is JSON; `media` is the type of a
    text that takes several lines."""
    return Meta(
        title=title,
        description=description or None,
        examples=None if example is None else [example],
        extra_json_schema={"contentMediaType": media} if media else None,
    )
