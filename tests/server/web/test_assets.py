"""What pages load: of one version, compressed, asked for once."""

from __future__ import annotations

import asyncio
import gzip
import os
from pathlib import Path
from urllib.parse import unquote

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import Message

from server.web import assets
from server.web.assets import Assets

SCRIPT = "export const answer = 42;\n" * 20
OTHER = "export const other = 42;\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.js").write_text(SCRIPT)
    (tmp_path / "a.css").write_text("a { color: red }")
    (tmp_path / "line").mkdir()
    (tmp_path / "line" / "a.js").write_text(OTHER)
    return tmp_path


@pytest.fixture
def files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Assets:
    monkeypatch.setattr(assets, "EVERY_S", 0.0)
    return Assets(folder, reload=True)


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


def test_without_reload_the_files_of_the_start_are_served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "EVERY_S", 0.0)
    files = Assets(folder)
    before = files.address("a.css")
    (folder / "a.css").write_text("a { color: blue }")
    assert files.address("a.css") == before
    assert TestClient(Starlette(routes=files.routes())).get(before).text == "a { color: red }"


def test_what_modules_import_is_named_once_and_without_themselves(folder: Path) -> None:
    scripts = {
        "pages/a.js": 'import { b } from "../line/b.js";\nimport "./c.js";\nconst d = "./d.js";\n',
        "pages/c.js": 'import { b } from "../line/b.js";\nexport * from "../line/d.js";\n',
        "line/b.js": '/** @typedef {import("../line/a.js").A} A */\nimport {\n  d,\n} from "./d.js";\n',
        "line/d.js": 'import { b } from "./b.js";\nexport const e = "../a.js";\n',
    }
    (folder / "pages").mkdir()
    for name, script in scripts.items():
        (folder / name).write_text(script)
    files = Assets(folder)
    named = {module: files.imported(f"pages/{module}.js") for module in "ac"}
    assert sorted(named["a"]) == [files.address(name) for name in ("line/b.js", "line/d.js", "pages/c.js")]
    assert sorted(named["c"]) == [files.address(name) for name in ("line/b.js", "line/d.js")]
    assert sorted(files.imported("pages/a.js", "pages/c.js")) == sorted(named["c"])
    assert files.imported("line/a.js") == []


def test_a_file_in_a_folder_has_the_folder_in_its_address(files: Assets, web: TestClient) -> None:
    assert files.address("line/a.js").endswith("/line/a.js")
    for path in (files.address("line/a.js"), "/static/line/a.js", "/static/0123456789/line/a.js"):
        assert web.get(path).text == OTHER, path


@pytest.mark.parametrize(
    "name",
    [
        "",
        "b.js",
        "line",
        "line/",
        "line//a.js",
        "line/./a.js",
        "../secret.txt",
        "..%2Fsecret.txt",
        "%2e%2e/secret.txt",
        "line/..%2f..%2fsecret.txt",
        "line%5C..%5C..%5Csecret.txt",
        "line/../a.css%00",
        ".env",
        "%2eenv",
        ".git/config",
        "line/.a.js.swp",
        "{secret}",
        "%2F{secret}",
    ],
)
def test_only_what_lies_in_the_folder_is_served(folder: Path, files: Assets, name: str) -> None:
    secret = folder.parent / "secret.txt"
    (folder / ".git").mkdir()
    for path in (secret, folder / ".env", folder / ".git" / "config", folder / "line" / ".a.js.swp"):
        path.write_text("secret")
    name = name.format(secret=secret)
    for address in (f"/static/{name}", f"/static/0123456789/{name}", files.address("a.js").replace("a.js", name)):
        assert status(files, address) == 404, address
    with pytest.raises(KeyError):
        files.address(name)


def status(files: Assets, address: str) -> int:
    """The answer to an address as it stands: a client's library would resolve `..` before it asks."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    app = Starlette(routes=files.routes())
    scope = {"type": "http", "method": "GET", "path": unquote(address), "query_string": b"", "headers": []}
    asyncio.run(app(scope, receive, send))
    return int(sent[0]["status"])
