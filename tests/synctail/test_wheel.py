"""What is published: one package, which needs nothing else of ours and breaks nothing of anybody's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx2
import pytest
import redis

from synctail.log.registry import stored_summary
from synctail.model.sync import Status
from tests.kit.following import Logs
from tests.kit.support import ADMIN_TOKEN, ROOT

pytestmark = pytest.mark.slow

UV = ROOT / ".tools/bin/uv"

WRITES = """
import redis, sys
from synctail.connect import connect
from synctail.log import LogWriter, open_log
try:
    with open_log(connect(sys.argv[1]), "nightly-report", secrets=["s3cret"]) as log:
        assert isinstance(log, LogWriter)
        print(log.sync_id, flush=True)
        log.info("Reading 3 orders with s3cret", fields={"orders": 3})
        if len(sys.argv) > 2:
            raise ValueError(sys.argv[2])
except ValueError:
    pass
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds nothing but the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("installed")
    versions = re.findall(
        r"^[a-z0-9._-]+(?:\[.*?\])?==[^ ;\\]+", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    (folder / "constraints").write_text("\n".join(re.sub(r"\[.*?\]", "", one) for one in versions))
    environment = folder / "env"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    python = environment / "bin/python"
    asked: list[str | Path] = ["--constraint", folder / "constraints", f"synctail[cli] @ {wheel.as_uri()}"]
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, *asked], check=True)
    return environment / "bin"


def test_the_wheel_has_one_package_and_its_scripts(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"synctail"}
    assert {Path(name).name for name in names if name.endswith(".lua")} == {
        path.name for path in (ROOT / "synctail").rglob("*.lua")
    }


def test_the_installed_command_tails_a_log(installed: Path, web: httpx2.Client, logs: Logs, tmp_path: Path) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        story.info("from the first line")
        logs.end(story)
    environ = {"SYNCTAIL_URL": str(web.base_url), "SYNCTAIL_TOKEN": ADMIN_TOKEN, "PATH": ""}
    assert "tail" in subprocess.check_output([installed / "synctail", "--help"], cwd=tmp_path, env=environ, text=True)
    tailed: list[str | Path] = [installed / "synctail", "tail", sync_id, "--ndjson"]
    lines = subprocess.check_output(tailed, cwd=tmp_path, env=environ, text=True).splitlines()
    assert json.loads(lines[0])["text"] == "from the first line"


@pytest.mark.parametrize("fails_with", ["", "no such table"])
def test_an_installed_library_writes_a_log(
    installed: Path, client: redis.Redis, web: httpx2.Client, environ: dict[str, str], tmp_path: Path, fails_with: str
) -> None:
    writes: list[str | Path] = [installed / "python", "-c", WRITES, environ["REDIS_URL"], *filter(None, [fails_with])]
    sync_id = subprocess.check_output(writes, cwd=tmp_path, text=True).strip()
    summary = stored_summary(client, sync_id)
    assert summary is not None
    assert summary.service == "nightly-report"
    text = web.get(f"/api/syncs/{sync_id}/log.txt").text
    assert "Reading 3 orders with ••••••" in text
    if fails_with:
        assert summary.status is Status.FAILED
        assert "Failed: ValueError: no such table" in text
    else:
        assert summary.status is Status.COMPLETED
    assert "nightly-report" in web.get("/api/syncs").text
    assert web.get(f"/syncs/{sync_id}").status_code == 200


def test_a_library_that_is_installed_finds_nothing_of_our_processes(installed: Path, tmp_path: Path) -> None:
    code = "from importlib.util import find_spec; print([n for n in ('jobs', 'server', 'demo', 'cli') if find_spec(n)])"
    assert subprocess.check_output([installed / "python", "-c", code], cwd=tmp_path, text=True) == "[]\n"
