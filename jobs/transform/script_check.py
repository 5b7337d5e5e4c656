"""Tells whether a script can run, without running it: it compiles, and has a function `handle(records, log)`. Pure."""

from __future__ import annotations

import ast
import warnings

CODE_LIMIT_BYTES = 256 * 1024


def check(code: str) -> str | None:
    """What is wrong with a script, as far as that shows without running it; None if nothing is."""
    try:
        size = len(code.encode())
    except UnicodeEncodeError:
        return "contains half a surrogate pair, which is not text"
    if size > CODE_LIMIT_BYTES:
        return f"has {size:,} bytes; takes at most {CODE_LIMIT_BYTES:,}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
            compile(code, "<script>", "exec", dont_inherit=True)  # finds what a tree may hold: `return` outside
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}" if error.lineno else f"is not Python: {error.msg}"
    except (RecursionError, MemoryError):
        return "is nested too deeply"
    except ValueError as error:
        return f"is not Python: {error}"
    return _handle_fault(tree)


def _handle_fault(tree: ast.Module) -> str | None:
    found = [
        one for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name == "handle"
    ]
    if not found:
        return "there is no function handle(records, log)"
    last = found[-1]
    if isinstance(last, ast.AsyncFunctionDef):
        return f"line {last.lineno}: handle is async; it must be a plain function"
    takes = last.args
    positional = len(takes.posonlyargs) + len(takes.args)
    needed = positional - len(takes.defaults)
    keywords = any(default is None for default in takes.kw_defaults)
    if needed > 2 or (positional < 2 and not takes.vararg) or keywords:
        return f"line {last.lineno}: handle must take two arguments: def handle(records, log)"
    return None
