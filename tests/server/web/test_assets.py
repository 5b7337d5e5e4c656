"""What pages load: of one version, compressed, asked for once."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from server.web import assets
from server.web.assets import Assets

SCRIPT = "export const answer = 42;\n" * 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.js").write_text(SCRIPT)
    (tmp_path / "a.css").write_text("a { color: red }")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "hidden.js").write_text("")
    return tmp_path


@pytest.fixture
def files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Assets:
    monkeypatch.setattr(assets, "EVERY_S", 0.0)
    return Assets(folder)


@pytest.fixture
def web(files: Assets) -> TestClient:
    return TestClient(Starlette(routes=files.routes()))


def test_a_file_of_this_version_is_kept_for_ever_and_one_without_is_asked_for_again(
    files: Assets, web: TestClient
) -> None:
    named = web.get(files.address("a.js"))
    assert (named.text, named.headers["content-type"]) == (SCRIPT, "text/javascript; charset=utf-8")
    assert named.headers["cache-control"] == "public, max-age=31536000, immutable"
    for path in ("/static/a.js", "/static/0123456789/a.js"):
        other = web.get(path)
        assert (other.text, other.headers["cache-control"]) == (SCRIPT, "no-cache"), path
        again = web.get(path, headers={"If-None-Match": other.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_it_is_compressed_for_clients_that_accept_that(web: TestClient) -> None:
    with web.stream("GET", "/static/a.js", headers={"Accept-Encoding": "br, gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["vary"] == "Accept-Encoding"
        assert gzip.decompress(b"".join(answer.iter_raw())).decode() == SCRIPT
    plain = web.get("/static/a.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == SCRIPT


def test_a_changed_file_has_another_address(folder: Path, files: Assets, web: TestClient) -> None:
    before = files.address("a.css")
    (folder / "a.css").write_text("a { color: blue }")
    after = files.address("a.css")
    assert after != before
    assert web.get(after).text == "a { color: blue }"
    os.utime(folder / "a.css", (1, 1))  # touched, and the same as it was
    assert files.address("a.css") == after


def test_only_what_lies_in_the_folder_is_served(folder: Path, files: Assets, web: TestClient) -> None:
    (folder.parent / "secret.txt").write_text("secret")
    for name in ("b.js", "more/hidden.js", "..%2Fsecret.txt", "%2e%2e/secret.txt", "more"):
        assert web.get(f"/static/{name}").status_code == 404, name
    with pytest.raises(KeyError):
        files.address("b.js")
