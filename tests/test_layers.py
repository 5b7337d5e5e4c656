"""What a process loads: `make check` reads imports, these tests see what they load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.kit.support import ROOT

RUNS_SYNCS = ("jobs.clock", "jobs.connectors", "jobs.run", "jobs.tasks", "jobs.transform.script", "jobs.worker")


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split())


def within(modules: set[str], *rooms: str) -> set[str]:
    return {name for name in modules for room in rooms if name == room or name.startswith(f"{room}.")}


@pytest.mark.parametrize("module", ["server.app", "server.__main__"])
def test_the_web_process_loads_nothing_that_runs_a_sync(module: str) -> None:
    loaded = loaded_by(module)
    assert within(loaded, "jobs.services", "synctail.log")
    # Checking a script is reading it; what starts its process is `script`.
    assert within(loaded, *RUNS_SYNCS, "jobs.transform.sandbox") == set()


def test_the_library_loads_nothing_of_our_processes() -> None:
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "synctail").rglob("*.py")
        if path.name != "__main__.py"
    )
    loaded = loaded_by(", ".join(modules))
    assert set(modules) <= loaded
    assert within(loaded, "jobs", "server", "demo", "rq", "starlette", "uvicorn", "jinja2") == set()
