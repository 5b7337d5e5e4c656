"""What went wrong in a script, in a sentence and a traceback."""

from __future__ import annotations

from jobs.transform.sandbox.messages import NAME, TEXT_LIMIT, Setup


class Wrong(Exception):
    """The script is not what it must be, or did not return what it must."""


def describe(error: BaseException, setup: Setup) -> tuple[str, str]:
    """A sentence, and the traceback from the script's first line on."""
    if isinstance(error, Wrong):
        return str(error), ""
    try:
        return _traced(error, setup)
    except BaseException:  # noqa: BLE001 - no memory left, or a script that took Python apart
        return f"{type(error).__name__}, and it could not be described", ""


def _traced(error: BaseException, setup: Setup) -> tuple[str, str]:
    import linecache  # noqa: PLC0415 - slow to load, and rarely needed
    import traceback  # noqa: PLC0415

    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename != NAME:
        trace = trace.tb_next
    linecache.cache[NAME] = (len(setup.code), None, setup.code.splitlines(keepends=True), NAME)
    place = ""
    for frame, line in traceback.walk_tb(trace):
        if frame.f_code.co_filename == NAME:
            place = f" (line {line} of the script)"
    what = traceback.format_exception_only(error)[-1].strip()[:TEXT_LIMIT]
    if isinstance(error, MemoryError):
        what += f": a script has {setup.memory_bytes >> 20:,} MiB"
    said = "".join(traceback.format_exception(type(error), error, trace)) if trace else ""
    return what + place, said[-TEXT_LIMIT:].rstrip()
