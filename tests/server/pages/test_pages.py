"""The pages, as a person without JavaScript meets them: what they say, where they lead, and what they never let in."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx2
import msgspec
import pytest
import redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.client import Pipeline

from jobs.queue.requests import Requests
from jobs.services.model import FileDestination, InboundSource, Missed, Options, Schedule, SqlDestination
from server.access.auth import token_hash
from server.pages.filters import elapsed, lasting
from server.pages.overview import Dues
from synctail.log.day_totals import DayTotals
from synctail.model import keys
from synctail.model.ids import rfc3339, utc_now
from synctail.model.sync import Status, Summary, Trigger
from synctail.settings import Settings
from tests.kit.following import Logs
from tests.kit.serving import serving
from tests.kit.support import ADMIN_TOKEN, OWN_PAGE, service, store

HTML = {"Accept": "text/html,application/xhtml+xml"}
UNKNOWN = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
EXPIRED = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(2)>" onload="alert(3)\' {{7*7}} &lt;b&gt;'


class Page(HTMLParser):
    """What a browser finds in a page: its text, links, forms, and anything that could run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.links: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self.lines: list[int] = []
        self._in_script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.handlers += [name for name in given if name.startswith("on") or name == "style"]
        match tag:
            case "a":
                self.links.append(given["href"])
            case "form":
                self.forms.append({"method": given.get("method", "get"), "action": given["action"]})
            case "input" if self.forms and "name" in given:
                self.forms[-1][given["name"]] = given.get("value", "")
            case "script":
                self.scripts.append(given.get("src", ""))
                self._in_script = True
            case "style" | "iframe" | "object" | "embed" | "base":
                self.handlers.append(tag)
            case _:
                pass
        if "data-n" in given:
            self.lines.append(int(given["data-n"]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.handlers.append(data)
        self.text += data

    def form(self, action: str) -> dict[str, str]:
        [found] = [one for one in self.forms if one["action"] == action]
        return found


@pytest.fixture
def browser(web: httpx2.Client) -> httpx2.Client:
    """A browser, signed in as admin."""
    del web.headers["Authorization"]
    web.headers.update({**HTML, **OWN_PAGE})
    assert web.post("/sign-in", data={"token": ADMIN_TOKEN}).status_code == 303
    return web


def see(browser: httpx2.Client, path: str, status: int = 200) -> Page:
    answer = browser.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = Page(answer.text)
    assert page.handlers == [], "nothing inline may run"
    assert all(src.startswith("/static/") for src in page.scripts)
    return page


def submit(browser: httpx2.Client, form: dict[str, str]) -> httpx2.Response:
    fields = {name: value for name, value in form.items() if name not in ("action", "method")}
    return browser.post(form["action"], data=fields)


def as_role(client: redis.Redis, browser: httpx2.Client, role: str) -> None:
    client.hset(keys.token(token_hash("st_of-another-role")), mapping={"name": f"a {role}", "role": role})
    assert browser.post("/sign-in", data={"token": "st_of-another-role"}).status_code == 303


# --- what the pages say ---------------------------------------------------------------------------------------------


def test_the_front_door_leads_to_the_services(browser: httpx2.Client) -> None:
    assert browser.get("/").headers["location"] == "/services"


def test_the_services_are_listed_and_lead_to_their_pages_and_syncs(
    client: redis.Redis, browser: httpx2.Client, logs: Logs
) -> None:
    assert "No services yet" in see(browser, "/services").text
    store(client, service("orders", name="All the orders"), service("idle", active=False))
    sync_id = logs.written(3)
    page = see(browser, "/services")
    assert {"/services/orders", "/services/idle", f"/syncs/{sync_id}"} <= set(page.links)
    assert "All the orders" in page.text
    assert "Inactive" in page.text
    assert "never ran" in page.text
    actions = {form["action"] for form in page.forms}
    assert "/services/orders/run" in actions
    assert "/services/idle/run" not in actions


def test_a_service_page_lists_its_syncs_and_narrows_them(
    client: redis.Redis, browser: httpx2.Client, logs: Logs
) -> None:
    many = service(options=Options(overlap=True, concurrency=1000))
    store(client, many)
    ended, queued = logs.written(3, of=many), logs.start(many)
    page = see(browser, "/services/orders")
    assert page.links.count(f"/syncs/{ended}") >= 1 <= page.links.count(f"/syncs/{queued}")
    actions = {form["action"] for form in page.forms}
    assert f"/syncs/{queued}/stop" in actions
    assert f"/syncs/{ended}/stop" not in actions
    narrowed = see(browser, "/services/orders?status=queued")
    assert f"/syncs/{ended}" not in narrowed.links
    assert f"/syncs/{queued}" in narrowed.links
    assert f"/syncs/{ended}" in see(browser, f"/services/orders?q={ended[-6:]}").links
    assert "No sync matches" in see(browser, "/services/orders?q=nothing-like-it").text
    assert see(browser, "/services/orders?status=wrong", 400)


def test_older_syncs_are_one_link_away(client: redis.Redis, browser: httpx2.Client, logs: Logs) -> None:
    many = service(options=Options(overlap=True, concurrency=1000))
    store(client, many)
    started = {logs.start(many) for _ in range(60)}
    seen: set[str] = set()
    path = "/services/orders?status=queued"
    for _ in range(2):
        page = see(browser, path)
        seen |= {link.removeprefix("/syncs/") for link in page.links if link.startswith("/syncs/")}
        path = next((link for link in page.links if "before=" in link), "")
    assert seen == started
    assert not path


def test_a_service_page_never_shows_what_its_addresses_hide(client: redis.Redis, browser: httpx2.Client) -> None:
    address = "postgresql://ana:hunter2@db/warehouse?password=hunter3"
    store(
        client,
        service(
            url="https://user:hunter4@shop.example/orders?key=hunter5",
            destination=SqlDestination(url=address, table="rows"),
        ),
        service("file", destination=FileDestination(path="out.ndjson")),
    )
    for path in ("/services/orders", "/services", "/services/file"):
        assert "hunter" not in browser.get(path).text


@pytest.mark.usefixtures("one_day")
def test_a_service_page_shows_what_was_moved_on_each_day(
    client: redis.Redis, browser: httpx2.Client, logs: Logs, config: Settings
) -> None:
    store(client, service())
    assert "No records moved in the last 14 days" in see(browser, "/services/orders").text
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        story.set(pulled=12_345, pushed=12_300, skipped=40, failed=5)
    DayTotals(client, config.retention).count(sync_id)
    html = browser.get("/services/orders").text
    assert "today: 12,345 pulled, 12,300 pushed, 5 failed, 1 sync" in html
    assert html.partition('class="plot"')[2].count("<rect ") == 3
    assert html.count('class="column"') == 14
    assert "14 days, in UTC" in html


def next_hour() -> str:
    return (utc_now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:00:00.000Z")


def test_a_service_page_says_when_it_runs_next(client: redis.Redis, browser: httpx2.Client) -> None:
    hourly = Schedule("0 * * * *")
    store(client, service(trigger=hourly), service("idle", trigger=hourly, active=False), service("by-hand"))
    for path in ("/services", "/services/orders"):
        before, html, after = next_hour(), browser.get(path).text, next_hour()
        assert f'datetime="{before}"' in html or f'datetime="{after}"' in html
    assert "none while inactive" in see(browser, "/services/idle").text
    assert "Next run" not in see(browser, "/services/by-hand").text


def test_the_next_start_is_found_anew_once_it_has_passed() -> None:
    dues, quarterly = Dues(), service(trigger=Schedule("*/15 * * * *"))
    for minute, due in ((2, 15), (14, 15), (15, 30), (29, 30)):
        now = datetime(2026, 1, 31, 9, minute, tzinfo=UTC)
        assert dues.next(quarterly, now) == f"2026-01-31T09:{due}:00.000Z"


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0, "0 ms"), (850, "850 ms"), (4250, "4.2 s"), (9999, "9.9 s"), (10_000, "10 s"), (72_000, "1 m 12 s")],
)
def test_the_duration_of_a_sync_is_as_exact_as_a_reader_needs(ms: int, words: str) -> None:
    began = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    start, now = rfc3339(began), rfc3339(began + timedelta(milliseconds=ms))
    running = Summary(id="1", service="orders", status=Status.RUNNING, queued_at=start, started_at=start)
    assert elapsed(msgspec.structs.replace(running, status=Status.COMPLETED, ended_at=now), now) == words
    assert elapsed(running, now) == (words if ms >= 10_000 else f"{ms // 1000} s")


def test_services_are_found_by_a_part_of_their_name(client: redis.Redis, browser: httpx2.Client) -> None:
    store(client, *(service(f"service-{n:03}", name=f"Flow {n:03}") for n in range(12)))
    found = see(browser, "/services?q=fLOW%20007")
    assert "/services/service-007" in found.links
    assert "/services/service-008" not in found.links
    nothing = see(browser, "/services?q=nobody")
    assert "None of the 12 services have “nobody” in their name" in nothing.text
    assert "/services" in nothing.links


def test_a_list_asks_redis_as_often_for_many_as_for_few(
    client: redis.Redis, environ: dict[str, str], requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    for owner, name in ((AsyncRedis, "execute_command"), (Pipeline, "execute")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name), asked))

    def asks(path: str) -> int:
        asked.clear()
        assert web.get(path).status_code == 200
        return len(asked)

    with serving(environ) as (web, _):
        many = service(options=Options(overlap=True, concurrency=100))
        few: dict[str, int] = {}
        for times in (2, 40):
            store(client, *(service(f"service-{n}") for n in range(times)), many)
            for _ in range(times):
                requests.start(many, Trigger.MANUAL)
            for path in ("/services", "/services/orders"):
                assert asks(path) == few.setdefault(path, asks(path))
        assert max(few.values()) <= 8


def counted(method: Callable[..., Any], calls: list[object]) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        calls.append(method)
        return method(*given, **named)

    return call


@pytest.mark.parametrize("path", ["/services", "/services/orders", "/services/orders?status=running"])
def test_a_list_is_sent_again_only_when_it_would_say_something_else(
    client: redis.Redis, browser: httpx2.Client, logs: Logs, path: str
) -> None:
    store(client, service())
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        story.set(status="running", started_at="2026-01-31T09:30:00.000Z", pulled=1)
        story.flush()
        first = browser.get(path)
        known = {"If-None-Match": first.headers["etag"]}
        same = browser.get(path, headers=known)
        assert (same.status_code, same.content, same.headers["cache-control"]) == (304, b"", "no-store")
        assert browser.get(path.split("?", maxsplit=1)[0] + "?q=other", headers=known).status_code == 200
        story.set(pulled=2)
        story.flush()
        assert browser.get(path, headers=known).status_code == 200
    # Of another person with the same rights, too, the page is another one: it has their name.
    known = {"If-None-Match": browser.get(path).headers["etag"]}
    assert browser.get(path, headers=known).status_code == 304
    as_role(client, browser, "admin")
    assert browser.get(path, headers=known).status_code == 200
    browser.cookies.clear()
    assert browser.get(path, headers=known).status_code != 304


def test_a_schedule_is_read_out_in_words(client: redis.Redis, browser: httpx2.Client) -> None:
    store(client, service(trigger=Schedule("*/15 * * * *", "Europe/London")))
    assert "Every 15th minute" in see(browser, "/services").text
    text = " ".join(see(browser, "/services/orders").text.split())
    assert "Every 15th minute of every hour */15 * * * * Europe/London" in text


@pytest.mark.parametrize(
    ("role", "offered"),
    [
        ("viewer", "View logs, Export"),
        ("operator", "View logs, Run, Run with options…, Export"),
        ("admin", "View logs, Run, Run with options…, Edit, Notes, Clone, Deactivate, Export, Remove"),
    ],
)
def test_the_menu_of_a_service_offers_what_the_role_may(
    client: redis.Redis, browser: httpx2.Client, role: str, offered: str
) -> None:
    store(client, service())
    as_role(client, browser, role)
    menu = browser.get("/services").text.partition('aria-label="Menu of Orders"')[2].partition("</details>")[0]
    words = [text.strip() for text in re.findall(r">([^<>]+)</(?:a|button)>", menu)]
    assert ", ".join(words) == offered
    assert ("/services/new" in see(browser, "/services").links) == (role == "admin")


def test_starts_that_were_left_out_are_told(client: redis.Redis, browser: httpx2.Client) -> None:
    store(client, service(trigger=Schedule("* * * * *")))
    missed = Missed(due_at="2026-01-31T09:30:00.000Z", because="Its sync 01K still ran.")
    client.lpush(keys.service_missed("orders"), msgspec.json.encode(missed))
    client.pexpire(keys.service_missed("orders"), keys.MISSED_TTL)
    text = " ".join(see(browser, "/services/orders").text.split())
    assert "1 scheduled start, the latest 2026-01-31 09:30:00 UTC" in text
    assert "Its sync 01K still ran." in text
    client.lpush(keys.service_missed("orders"), *[msgspec.json.encode(missed)] * 9)
    text = " ".join(see(browser, "/services/orders").text.split())
    assert "At least 10 scheduled starts, the latest" in text


def test_a_sync_is_retried_by_form(client: redis.Redis, browser: httpx2.Client, logs: Logs) -> None:
    store(client, service())
    sync_id = logs.written(3)
    retry = see(browser, "/services/orders").form(f"/syncs/{sync_id}/retry")
    assert retry["only"] == "all"
    assert submit(browser, {**retry, "only": "some"}).status_code == 400
    assert submit(browser, {**retry, "only": "failed"}).status_code == 409
    answer = submit(browser, retry)
    assert answer.status_code == 303
    again = answer.headers["location"].removeprefix("/syncs/")
    assert client.hget(keys.summary(again), "retry_of") == sync_id.encode()


def test_a_service_that_is_posted_to_says_where_and_is_not_run(client: redis.Redis, browser: httpx2.Client) -> None:
    store(client, msgspec.structs.replace(service(), source=InboundSource()))
    page = see(browser, "/services/orders")
    assert "A sync starts when records are posted to /api/inbound/orders" in page.text
    for path in ("/services", "/services/orders"):
        assert "/services/orders/run" not in {form["action"] for form in see(browser, path).forms}


def test_a_retry_and_what_it_retries_lead_to_each_other(
    client: redis.Redis, browser: httpx2.Client, logs: Logs
) -> None:
    many = service(options=Options(overlap=True, concurrency=100))
    store(client, many)
    first, second = logs.written(1, of=many), logs.written(1, of=many)
    client.hset(keys.summary(first), "retried_by", second)
    client.hset(keys.summary(second), mapping={"retry_of": first, "trigger": "retry"})
    page = see(browser, "/services/orders")
    words = " ".join(page.text.split())
    assert f"retry of …{first[-8:]}" in words
    assert f"by hand, retried by …{second[-8:]}" in words


def test_the_difference_of_pulled_and_pushed_is_explained(client: redis.Redis, browser: httpx2.Client) -> None:
    store(client, service())
    text = see(browser, "/services/orders").text
    assert "pulled = pushed + skipped + filtered + failed" in text
    for word in ("Skipped", "Filtered", "Failed", "Pending"):
        assert word in text


def test_the_look_is_chosen_by_a_form_and_stays_chosen(browser: httpx2.Client) -> None:
    assert 'data-theme="system"' in browser.get("/services").text
    form = see(browser, "/services?q=x").form("/theme")
    answer = browser.post("/theme", data={**form, "theme": "dark"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/services?q=x")
    for path in ("/services", "/nowhere", "/sign-in"):
        html = browser.get(path).text
        assert 'data-theme="dark"' in html
        assert '<meta name="color-scheme" content="dark">' in html
    assert browser.post("/theme", data={"theme": "purple"}).status_code == 400
    assert browser.post("/theme", data={"theme": "dark", "next": "//evil.example"}).headers["location"] == "/services"
    browser.cookies.clear()
    browser.cookies.set("synctail_theme", "purple")
    assert 'data-theme="system"' in browser.get("/sign-in").text


def test_the_header_says_a_name_that_is_its_role_once(client: redis.Redis, browser: httpx2.Client) -> None:
    assert re.search(r"tests\s+admin", see(browser, "/services").text)
    client.hset(keys.token(token_hash("st_the-first-token")), mapping={"name": "admin", "role": "admin"})
    browser.post("/sign-in", data={"token": "st_the-first-token"})
    assert see(browser, "/services").text.count("admin") == 1


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(days=1), "24 hours"),
        (timedelta(days=7), "7 days"),
        (timedelta(hours=25), "25 hours"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(seconds=20), "1 minute"),
    ],
)
def test_the_retention_reads_as_a_person_would_say_it(time: timedelta, words: str) -> None:
    assert lasting(time) == words


def test_a_service_page_says_how_long_its_syncs_are_listed(client: redis.Redis, browser: httpx2.Client) -> None:
    store(client, service())
    assert "Syncs of the last 24 hours" in see(browser, "/services/orders").text


def test_a_count_of_filtered_records_is_shown_only_where_there_are_some(browser: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.start()
    with logs.writing(sync_id) as story:
        assert "<div data-filtered hidden>" in browser.get(f"/syncs/{sync_id}").text
        story.set(pulled=3, filtered=3)
    assert "<div data-filtered>" in browser.get(f"/syncs/{sync_id}").text


def test_a_sync_page_without_javascript_shows_the_last_500_lines(browser: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.written(1234)
    page = see(browser, f"/syncs/{sync_id}")
    assert page.lines == list(range(735, 1235))
    assert "line 1233 " in page.text
    assert "line 733 " not in page.text
    assert "/services/orders" in page.links
    assert sync_id in page.text


def test_a_sync_page_with_large_lines_still_ends_with_the_last_one(browser: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.written(300, size=15_000)
    assert see(browser, f"/syncs/{sync_id}").lines[-1] == 300


def test_a_sync_page_outlives_its_service(browser: httpx2.Client, logs: Logs) -> None:
    sync_id = logs.written(2)
    page = see(browser, f"/syncs/{sync_id}")
    assert page.lines == [1, 2]
    assert "/services/orders/run" not in {form["action"] for form in page.forms}


def test_a_sync_that_logged_nothing_yet_has_a_page_too(browser: httpx2.Client, logs: Logs) -> None:
    page = see(browser, f"/syncs/{logs.start()}")
    assert page.lines == []


# --- hostile text ---------------------------------------------------------------------------------------------------


def test_hostile_text_stays_text_everywhere(client: redis.Redis, browser: httpx2.Client, logs: Logs) -> None:
    evil = service(name=HOSTILE, notes=HOSTILE, url=f"http://x/{HOSTILE}", destination=FileDestination(path=HOSTILE))
    store(client, evil)
    sync_id = logs.start(evil)
    with logs.writing(sync_id) as story:
        story.info(HOSTILE, phase=HOSTILE, record=HOSTILE, fields={HOSTILE: HOSTILE})
    page = see(browser, f"/syncs/{sync_id}")
    assert page.text.count(HOSTILE) >= 2
    for path in ("/services", "/services/orders"):
        assert HOSTILE in see(browser, path).text
    for path in (f"/services/orders?q={HOSTILE}", f"/services/orders?q={HOSTILE}&status=queued"):
        assert "alert(1)" not in "".join(see(browser, path.replace("<", "%3C").replace("&lt", "")).scripts)
    client.hset(keys.token(token_hash("st_with-a-hostile-name")), mapping={"name": HOSTILE, "role": "viewer"})
    browser.post("/sign-in", data={"token": "st_with-a-hostile-name"})
    assert HOSTILE in see(browser, "/services").text


@pytest.mark.parametrize("path", ["/<script>alert(1)</script>", "/services/<script>alert(1)</script>"])
def test_an_error_page_repeats_a_hostile_address_as_text(browser: httpx2.Client, path: str) -> None:
    page = see(browser, path, 404)
    assert "alert(1)" in page.text or "alert(1)" in unescape(page.text)
    assert page.scripts == [src for src in page.scripts if src.startswith("/static/")]


# --- error pages and headers ----------------------------------------------------------------------------------------


def test_errors_are_pages_for_people(client: redis.Redis, browser: httpx2.Client) -> None:
    assert "No such sync" in see(browser, f"/syncs/{UNKNOWN}", 404).text
    assert "Expired" in see(browser, f"/syncs/{EXPIRED}", 410).text
    assert "No such service" in see(browser, "/services/nobody", 404).text
    assert "/services" in see(browser, "/nowhere", 404).links
    assert see(browser, "/sign-out", 405)
    as_role(client, browser, "viewer")
    answer = browser.post("/services/orders/run")
    assert answer.status_code == 403
    assert "text/html" in answer.headers["content-type"]
    assert browser.get("/api/syncs/x").headers["content-type"] == "application/problem+json"


def test_every_answer_carries_the_headers_that_keep_a_browser_safe(browser: httpx2.Client, logs: Logs) -> None:
    paths = ["/services", f"/syncs/{logs.written(1)}", "/nowhere", "/sign-in", "/api/services", "/static/css/app.css"]
    for path in [*paths, "/healthz", "/api/nothing"]:
        headers = browser.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "server" not in headers
    refused = browser.get("/api/services", headers={"Authorization": "Bearer x"})
    assert "content-security-policy" in refused.headers
    for path in paths[:3]:
        assert browser.get(path).headers["cache-control"] == "no-store"


def test_what_a_page_loads_is_there(client: redis.Redis, browser: httpx2.Client, logs: Logs) -> None:
    store(client, service())
    sync_id = logs.written(1)
    for path in ("/services", "/services/orders", f"/syncs/{sync_id}", "/sign-in"):
        html = browser.get(path).text
        wanted = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', html))
        assert len({one.split("/")[2] for one in wanted}) == 1, "all of one version"
        for one in wanted:
            assert browser.get(one).status_code == 200, one


def test_every_link_of_the_pages_leads_somewhere(client: redis.Redis, browser: httpx2.Client, logs: Logs) -> None:
    store(client, service())
    logs.written(1)
    todo, done = ["/services"], set[str]()
    while todo:
        path = todo.pop()
        done.add(path)
        answer = browser.get(path)
        assert answer.status_code in (200, 303), path
        if "text/html" not in answer.headers.get("content-type", ""):
            continue
        for link in Page(answer.text).links:
            target = unescape(link).partition("#")[0]
            if target.startswith("/") and target not in done and target not in todo:
                todo.append(target)
    assert len(done) >= 3


# --- run and stop by form -------------------------------------------------------------------------------------------


def test_run_and_stop_by_form(client: redis.Redis, browser: httpx2.Client, logs: Logs) -> None:
    del logs
    store(client, service())
    run = see(browser, "/services/orders").form("/services/orders/run")
    assert run["method"] == "post"
    answer = submit(browser, run)
    assert answer.status_code == 303
    where = answer.headers["location"]
    again = submit(browser, run)
    assert again.status_code == 409
    assert where in Page(again.text).links
    stop = see(browser, where).form(f"{where}/stop")
    answer = submit(browser, stop)
    assert (answer.status_code, answer.headers["location"]) == (303, where)
    assert "Stopped" in see(browser, where).text
    assert submit(browser, stop).status_code == 409


def test_nothing_is_changed_by_looking(client: redis.Redis, browser: httpx2.Client, logs: Logs) -> None:
    store(client, service("other"))
    sync_id = logs.start()
    assert browser.get(f"/syncs/{sync_id}/stop").status_code == 405
    assert browser.get("/services/other/run").status_code == 200, "a form, which starts nothing by being looked at"
    assert client.hget(keys.summary(sync_id), "stop") is None
    assert client.zcard(keys.SYNCS) == 1


def test_a_viewer_is_offered_no_buttons(client: redis.Redis, browser: httpx2.Client, logs: Logs) -> None:
    store(client, service())
    sync_id = logs.start()
    as_role(client, browser, "viewer")
    for path in ("/services", "/services/orders", f"/syncs/{sync_id}"):
        page = see(browser, path)
        assert {form["action"] for form in page.forms if form["method"] == "post"} == {"/theme", "/sign-out"}
    assert browser.post("/services/orders/run").status_code == 403
    assert browser.post(f"/syncs/{sync_id}/stop").status_code == 403
