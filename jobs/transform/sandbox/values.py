"""What a script may return: values that JSON can carry."""

from __future__ import annotations

from collections.abc import Iterable

DEEPEST = 100
"""Maximum nesting of lists and objects."""
INT_LIMIT_BITS = 2048


def a(value: object) -> str:
    return f"a value of type {type(value).__name__}"


def problem(value: object) -> str | None:
    """Why JSON, or what reads it, could not carry a value: where in it, and what."""
    found = _fault(value, 0)
    if found is None:
        return None
    *path, what = found
    where = ".".join(path[:6]) + ("…" if len(path) > 6 else "")
    return f"{where}: {what}" if path else what


def _fault(value: object, depth: int) -> tuple[str, ...] | None:  # noqa: PLR0911 - one for each kind of value
    """The names on the way to what is wrong, and then what that is."""
    if value is None or isinstance(value, str | bool):
        return None
    if isinstance(value, int):
        return ("an integer that is far too large",) if value.bit_length() > INT_LIMIT_BITS else None
    if isinstance(value, float):
        return None if value - value == 0 else (f"{value} is not a number in JSON",)
    if not isinstance(value, dict | list | tuple):
        return (f"{a(value)}; it must be text, a number, true, false, None, a list or an object (a dict)",)
    if depth >= DEEPEST:
        return (f"lists and objects nested more than {DEEPEST} deep, or in a circle",)
    pairs: Iterable[tuple[object, object]] = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in pairs:
        if isinstance(value, dict) and not isinstance(name, str):
            return (f"the name of a member is {a(name)}; it must be text",)
        if found := _fault(inner, depth + 1):
            return (str(name)[:60], *found)
    return None
