"""The pages on which services are made and changed, as a person without JavaScript meets them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import msgspec
import pytest
import redis

from jobs.services import trial
from jobs.services.model import (
    AnyDestination,
    AnySource,
    FileSource,
    HttpAuth,
    InboundSource,
    Options,
    RunOptions,
    Schedule,
    Service,
    decode_service,
)
from jobs.services.shapes import members, shape_of
from jobs.services.validate import DefinitionFaulty, Fault
from jobs.transform.functions import TRANSFORMS
from jobs.transform.model import Filter, MappedField, ScriptText
from server.access.auth import token_hash
from server.services import fields, labels, service_form
from server.services.schedules import read_back
from synctail.model import keys
from synctail.model.sync import Stored
from tests.kit.support import ADMIN_TOKEN, OWN_PAGE, service, store

HTML = {"Accept": "text/html,application/xhtml+xml"}
HOSTILE = "</textarea><script>alert(1)</script>\"' {{7*7}} &lt;"


class Form(HTMLParser):
    """The form of a page as a browser would send it, and what stands beside its inputs."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.fields: list[tuple[str, str]] = []
        self.labels: dict[str, str] = {}
        self.inputs: dict[str, dict[str, str]] = {}
        self.links: list[str] = []
        self.texts: dict[str, str] = {}
        self._area = self._select = self._label = self._paragraph = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag in ("input", "select", "textarea") and "id" in given:
            self.inputs[given["id"]] = given
        match tag:
            case "input" if name and (given.get("type") != "checkbox" or "checked" in given):
                self.fields.append((name, given.get("value", "")))
            case "textarea":
                self._area = name
                self.fields.append((name, ""))
            case "select":
                self._select = name
            case "option" if self._select and "selected" in given:
                self.fields.append((self._select, given["value"]))
            case "label":
                self._label = given.get("for", "")
            case "a":
                self.links.append(given.get("href", ""))
            case "p":
                self._paragraph = given.get("id", "")
            case _:
                pass

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            name, text = self.fields.pop()
            self.fields.append((name, text.removeprefix("\n")))
            self._area = ""
        elif tag == "select":
            self._select = ""
        elif tag == "label":
            self._label = ""
        elif tag == "p":
            self._paragraph = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            name, text = self.fields.pop()
            self.fields.append((name, text + data))
        if self._label:
            self.labels[self._label] = (self.labels.get(self._label, "") + data).strip()
        if self._paragraph:
            self.texts[self._paragraph] = self.texts.get(self._paragraph, "") + data

    def values(self) -> dict[str, str]:
        """The last of a name counts."""
        return dict(self.fields)

    def fault(self, path: str) -> str:
        return self.texts.get(f"fault-{path}", "")


@pytest.fixture
def browser(web: httpx2.Client) -> Iterator[httpx2.Client]:
    """Somebody who has signed in as an administrator."""
    yield sign_in(web, ADMIN_TOKEN)
    web.cookies.clear()


def sign_in(web: httpx2.Client, token: str) -> httpx2.Client:
    web.headers.pop("Authorization", None)
    web.headers.update({**HTML, **OWN_PAGE})
    assert web.post("/sign-in", data={"token": token}).status_code == 303
    return web


def become(web: httpx2.Client, client: redis.Redis, role: str) -> httpx2.Client:
    client.hset(keys.token(token_hash(f"st_{role}")), mapping={"name": role, "role": role})
    return sign_in(web, f"st_{role}")


def opened(browser: httpx2.Client, path: str) -> Form:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return Form(answer.text)


def pressed(browser: httpx2.Client, path: str, form: Form, do: str, **typed: str) -> httpx2.Response:
    """Send what stands in the form, and what was typed over it; a path's dots are written `__`."""
    over = {name.replace("__", "."): text for name, text in typed.items()}
    return browser.post(path, data={**form.values(), **over, "do": do})


def stored(client: redis.Redis, service_id: str) -> Service:
    found = client.hget(keys.SERVICES, service_id)
    assert isinstance(found, bytes)
    return decode_service(service_id, found)


# --- making and changing ----------------------------------------------------------------------------------------------


def test_a_service_is_made_from_the_form(browser: httpx2.Client, client: redis.Redis) -> None:
    form = opened(browser, "/services/new")
    typed = {
        "name": "Orders",
        "id": "orders",
        "source.url": "https://shop.example/orders",
        "destination.kind": "sql",
        "destination.url": "sqlite:///x.db",
        "destination.table": "orders",
        "filters[0].field": "status",
        "filters[0].op": "in",
        "filters[0].value": '["open", "paid"]',
        "mapping[0].to": "email",
        "mapping[0].from": "customer.email",
        "mapping[0].with": "trim | lower",
        "lookups[0].name": "countries",
        "lookups[0].entries": "DE = Germany\r\nPT = Portugal",
        "script.code": "def handle(records, log):\r\n    return records",
        "trigger.schedule": "*/15 * * * *",
        "store.push": "on",
        "options.max_failed": "7",
    }
    answer = browser.post("/services/new", data={**form.values(), **typed, "do": "save"})
    assert (answer.status_code, answer.headers.get("location")) == (303, "/services/orders")
    made = stored(client, "orders")
    assert made.filters == [Filter("status", "in", ["open", "paid"])]
    assert made.mapping == [MappedField(to="email", from_="customer.email", with_=[["trim"], ["lower"]])]
    assert made.lookups == {"countries": {"DE": "Germany", "PT": "Portugal"}}
    assert made.script == ScriptText("def handle(records, log):\n    return records")
    assert (made.store.push, made.store.pull, made.options.max_failed, made.active) == (True, False, 7, True)


def test_opening_and_saving_changes_nothing(browser: httpx2.Client, client: redis.Redis) -> None:
    full = service(
        name=HOSTILE,
        notes="  one\n\ntwo & three ",
        filters=[Filter("n", "=", "5"), Filter("n", "=", 5), Filter("x", "exists")],
        mapping=[MappedField(to="x", with_=[["default", None], ["replace", '"', "\n"]])],
        lookups={"t": {"a=b": None, "": [1, {"x": HOSTILE}]}},
        script=ScriptText("\n\ndef handle(records, log):\n\treturn records\n", timeout_s=1.5),
        options=Options(max_failed=0, unseen_only=False),
    )
    full = msgspec.structs.replace(full, source=FileSource(path="in/*.csv", delimiter="\t", columns=["a", "b"]))
    store(client, full)
    page = opened(browser, "/services/orders/edit")
    assert "<script>alert" not in page.html
    assert pressed(browser, "/services/orders/edit", page, "save").status_code == 303
    assert stored(client, "orders") == full


def test_every_fault_is_next_to_its_field_and_nothing_typed_is_lost(
    browser: httpx2.Client, client: redis.Redis
) -> None:
    form = opened(browser, "/services/new")
    typed = {
        "name": HOSTILE,
        "id": "Not An Id",
        "source.url": "ftp://x",
        "filters[0].field": "a b",
        "filters[0].op": "=",
        "filters[3].op": "=",
        "filters[3].field": "fine",
        "mapping[0].to": "x",
        "mapping[0].with": "trim | lowr",
        "mapping[1].to": "y",
        "mapping[1].with": "trim |",
        "lookups[0].name": "",
        "lookups[0].entries": "DE",
        "trigger.schedule": "whenever",
        "options.page_size": "many",
        "options.max_attempts": "99",
        "script.code": "def handle(:",
    }
    answer = browser.post("/services/new", data={**form.values(), **typed, "do": "save"})
    assert answer.status_code == 422
    page = Form(answer.text)
    expected = {
        "id": "lower-case letters",
        "source.url": "begins with http",
        "filters[0].field": "is not JMESPath",
        "mapping[0].with": 'did you mean "lower"',
        "mapping[1].with": "takes a function after |",
        "lookups[0].name": "is missing",
        "lookups[0].entries": "takes two parts",
        "options.page_size": "takes a whole number, got 'many'",
        "options.max_attempts": "takes a whole number up to 20",
        "trigger.schedule": "takes five cron fields",
        "script.code": "",
        "destination.url": "is missing",
    }
    for path, says in expected.items():
        assert says in page.fault(path), path
        assert page.inputs[f"in-{path}"]["aria-invalid"] == "true"
        assert f"fault-{path}" in page.inputs[f"in-{path}"]["aria-describedby"]
        assert f"#in-{path}" in page.links, "the summary leads there"
    moved = {"filters[3].field": "filters[1].field", "filters[3].op": "filters[1].op"}
    for name, text in typed.items():
        assert page.values()[moved.get(name, name)] == text, name
    assert client.hlen(keys.SERVICES) == 0
    assert "<script>alert" not in answer.text


def test_rows_are_added_moved_and_removed_and_blank_ones_are_not_saved(
    browser: httpx2.Client, client: redis.Redis
) -> None:
    store(client, service(filters=[Filter("a", "="), Filter("b", "="), Filter("c", "=")]))
    page = opened(browser, "/services/orders/edit")

    def after(do: str) -> list[str]:
        nonlocal page
        answer = pressed(browser, "/services/orders/edit", page, do)
        assert answer.status_code == 200
        page = Form(answer.text)
        return [text for name, text in page.fields if re.fullmatch(r"filters\[\d\]\.field", name)]

    assert after("add:filters") == ["a", "b", "c", ""]
    assert after("up:filters:1") == ["b", "a", "c", ""]
    assert after("down:filters:2") == ["b", "a", "", "c"]
    assert after("remove:filters:1") == ["b", "", "c"]
    for nonsense in ("remove:filters:99", "up:filters:x", "remove:filters:", "add:", "up:filters:0", "add:nothing"):
        assert after(nonsense) == ["b", "", "c"]
    assert pressed(browser, "/services/orders/edit", page, "save").status_code == 303
    assert [one.field for one in stored(client, "orders").filters] == ["b", "c"]


def test_another_kind_shows_its_own_fields_and_going_back_finds_what_was_typed(browser: httpx2.Client) -> None:
    page = opened(browser, "/services/new")
    answer = pressed(browser, "/services/new", page, "show", destination__kind="file", destination__table="mine")
    page = Form(answer.text)
    assert "in-destination.path" in page.inputs
    assert "in-destination.table" not in page.inputs
    page = Form(pressed(browser, "/services/new", page, "show", destination__kind="sql").text)
    assert page.values()["destination.table"] == "mine"
    page = Form(pressed(browser, "/services/new", page, "show", source__auth__kind="basic").text)
    assert page.labels["in-source.auth.password"].startswith("Secret")


def test_an_id_that_is_taken_is_a_fault_of_the_id(browser: httpx2.Client, client: redis.Redis) -> None:
    store(client, service())
    copy = opened(browser, "/services/orders/clone")
    assert copy.values()["id"] == ""
    assert copy.values()["name"] == "Orders (copy)"
    answer = pressed(browser, "/services/new", copy, "save", id="orders")
    assert answer.status_code == 422
    assert "already" in Form(answer.text).fault("id")
    assert pressed(browser, "/services/new", copy, "save", id="orders-2").status_code == 303
    made = stored(client, "orders-2")
    assert not made.active, "a copy waits until somebody has looked at it"
    assert made.source == stored(client, "orders").source
    assert "is the address of a page" in Form(pressed(browser, "/services/new", copy, "save", id="new").text).fault(
        "id"
    )


def test_the_change_of_another_user_is_not_overwritten_unknowingly(browser: httpx2.Client, client: redis.Redis) -> None:
    store(client, service())
    page = opened(browser, "/services/orders/edit")
    store(client, service(notes="theirs"))
    answer = pressed(browser, "/services/orders/edit", page, "save", notes="mine")
    assert answer.status_code == 409
    assert stored(client, "orders").notes == "theirs"
    page = Form(answer.text)
    assert page.values()["notes"] == "mine"
    assert pressed(browser, "/services/orders/edit", page, "save").status_code == 303
    assert stored(client, "orders").notes == "mine"


def test_an_id_cannot_be_changed_by_the_form(browser: httpx2.Client, client: redis.Redis) -> None:
    store(client, service())
    page = opened(browser, "/services/orders/edit")
    assert "readonly" in page.inputs["in-id"]
    assert pressed(browser, "/services/orders/edit", page, "save", id="other").status_code == 303
    assert client.hkeys(keys.SERVICES) == [b"orders"]


# --- small changes ----------------------------------------------------------------------------------------------------


def test_a_service_is_switched_noted_and_removed(browser: httpx2.Client, client: redis.Redis) -> None:
    store(client, service(trigger=Schedule("* * * * *")))
    for act, active in (("deactivate", False), ("deactivate", False), ("activate", True)):
        assert browser.post(f"/services/orders/{act}").headers["location"] == "/services/orders"
        assert stored(client, "orders").active is active
    assert browser.post("/services/orders/notes", data={"notes": "Ask\r\nAna"}).status_code == 303
    assert stored(client, "orders").notes == "Ask\nAna"
    asks = browser.get("/services/orders/remove").text
    assert "does not start again" in asks
    assert "24 hours after" in asks
    assert browser.post("/services/orders/remove").headers["location"] == "/services"
    assert client.hlen(keys.SERVICES) == 0
    assert browser.post("/services/orders/activate").status_code == 404


CHANGES = ["new", "import", *(f"orders/{act}" for act in ("edit", "activate", "deactivate", "notes", "remove", "run"))]


@pytest.mark.parametrize("path", CHANGES)
def test_nothing_changes_without_the_right_role(browser: httpx2.Client, client: redis.Redis, path: str) -> None:
    store(client, service())
    viewer = become(browser, client, "viewer")
    assert viewer.post(f"/services/{path}", data={"do": "save"}).status_code == 403
    if path not in ("orders/activate", "orders/deactivate"):
        assert viewer.get(f"/services/{path}").status_code == 403
    assert stored(client, "orders") == service()


def test_an_operator_runs_otherwise_but_changes_no_service(browser: httpx2.Client, client: redis.Redis) -> None:
    store(client, service(filters=[Filter("a", "=", 1)]))
    operator = become(browser, client, "operator")
    page = opened(operator, "/services/orders/run")
    assert "Save to the service" not in page.html
    assert pressed(operator, "/services/orders/run", page, "save", page_size="7").status_code == 403
    assert stored(client, "orders").options.page_size == 100
    answer = pressed(operator, "/services/orders/run", page, "run", page_size="7", store__pull="on")
    sync_id = answer.headers["location"].removeprefix("/syncs/")
    run = client.get(keys.run(sync_id))
    assert isinstance(run, bytes)
    assert msgspec.json.decode(run, type=RunOptions) == RunOptions(page_size=7, store=Stored(pull=True)), (
        "the filters are its own"
    )


def test_a_run_is_refused_with_its_faults_and_saved_by_an_administrator(
    browser: httpx2.Client, client: redis.Redis
) -> None:
    store(client, service())
    page = opened(browser, "/services/orders/run")
    page = Form(pressed(browser, "/services/orders/run", page, "add:filters").text)
    answer = pressed(
        browser,
        "/services/orders/run",
        page,
        "run",
        **{"filters[0].field": "a b", "filters[0].op": "=", "page_size": "0"},
    )
    assert answer.status_code == 422
    wrong = Form(answer.text)
    assert "whole number from 1" in wrong.fault("page_size")
    assert "Nothing was started" in answer.text
    answer = pressed(browser, "/services/orders/run", wrong, "save", **{"filters[0].field": "a", "page_size": "9"})
    assert answer.status_code == 303
    assert (stored(client, "orders").options.page_size, len(stored(client, "orders").filters)) == (9, 1)


def test_a_service_that_cannot_be_run_says_why(browser: httpx2.Client, client: redis.Redis) -> None:
    inbound = msgspec.structs.replace(service("posted"), source=InboundSource())
    store(client, service(active=False), inbound)
    assert "This service is inactive" in browser.get("/services/orders/run").text
    assert "/api/inbound/posted" in browser.get("/services/posted/run").text


@pytest.mark.slow
def test_a_definition_with_more_rows_than_a_form_adds_keeps_them(browser: httpx2.Client, client: redis.Redis) -> None:
    many = service(mapping=[MappedField(to=f"m{number}", from_="id") for number in range(fields.MOST_ROWS // 4)])
    store(client, many)
    page = opened(browser, "/services/orders/edit")
    assert pressed(browser, "/services/orders/edit", page, "save").status_code == 303
    assert stored(client, "orders") == many


def test_a_run_without_the_form_is_a_plain_one(browser: httpx2.Client, client: redis.Redis) -> None:
    store(client, service(filters=[Filter("a", "=", 1)]))
    # The field is one of a page that an older version made, and that is still open.
    answer = browser.post("/services/orders/run", data={"csrf": "x"})
    sync_id = answer.headers["location"].removeprefix("/syncs/")
    assert client.exists(keys.summary(sync_id))
    assert not client.exists(keys.run(sync_id))


# --- TOML -------------------------------------------------------------------------------------------------------------


def test_toml_leaves_by_one_page_and_comes_in_by_another(browser: httpx2.Client, client: redis.Redis) -> None:
    store(client, service())
    answer = browser.get("/services/orders/export.toml")
    assert answer.headers["content-disposition"] == 'attachment; filename="orders.toml"'
    changed = answer.text.replace('name = "Orders"', 'name = "Other"')
    looked = browser.post("/services/import", data={"toml": changed, "do": "look"})
    assert "Replaced" in looked.text
    assert stored(client, "orders").name == "Orders"
    assert browser.post("/services/import", data={"do": "apply"}, files={"file": ("x.toml", changed)}).headers[
        "location"
    ] == ("/services/orders")
    assert stored(client, "orders").name == "Other"
    wrong = browser.post("/services/import", data={"toml": "id = 1\nx = 2", "do": "apply"})
    assert wrong.status_code == 422
    assert "<code>x</code>" in wrong.text
    assert "id = 1" in wrong.text, "what was pasted is still there"


# --- the form and its words -------------------------------------------------------------------------------------------


def test_each_member_of_a_service_has_a_place_in_a_section() -> None:
    placed = [name for names in service_form.SECTIONS.values() for name in names]
    assert sorted(placed) == sorted(members(Service))


def test_the_summary_of_faults_is_in_the_order_of_the_page() -> None:
    faults = [Fault(path, "is wrong") for path in ("id", "mapping[0].with[1]", "nowhere", "name", "filters")]
    summary = service_form.view({"mapping[0].with": "trim"}, faults)["complaints"]
    assert [one.label for one in summary] == ["Name", "ID", "Filters", "Mapping 1, Functions", "nowhere"]


def test_each_kind_has_a_name_and_a_sentence() -> None:
    for union in (AnySource, AnyDestination, HttpAuth):
        for kind, struct in shape_of(union).kinds.items():
            assert kind in labels.VALUES
            assert struct.__doc__


def test_a_member_without_a_place_or_a_label_is_shown_all_the_same() -> None:
    class Grown(msgspec.Struct):
        retry_limit: int = 3
        headers: dict[str, str] = {}
        tags: list[str] = []

    typed = fields.typed_of({"tags": ["a", "b"], "headers": {"X": "1"}}, Grown)
    items = fields.items_of(typed, Grown)
    assert [(one.label, getattr(one, "shape", "")) for one in items] == [
        ("Retry limit", "number"),
        ("Headers", "table"),
        ("Tags", "lines"),
    ]
    made, faults = fields.definition_of(typed, Grown)
    assert (made, faults) == ({"retry_limit": 3, "headers": {"X": "1"}, "tags": ["a", "b"]}, [])


def test_every_function_is_listed_beside_the_mapping(browser: httpx2.Client) -> None:
    page = unescape(browser.get("/services/new").text)
    for name, one in TRANSFORMS.items():
        assert f'data-function="{name}"' in page
        assert one.does in page


# --- a schedule, read back --------------------------------------------------------------------------------------------


def test_a_schedule_is_read_back_in_words_and_moments(web: httpx2.Client) -> None:
    said = web.get("/api/schedule", params={"schedule": "*/15 8-18 * * mon-fri", "timezone": "Europe/London"}).json()
    assert said["words"] == "Every 15th minute from 08:00 through 18:59 on Monday through Friday"
    assert len(said["next"]) == 5
    assert all(one["utc"].endswith("Z") for one in said["next"])
    for given, path in (
        ({"schedule": "whenever"}, "schedule"),
        ({"schedule": "0 0 31 2 *"}, "schedule"),
        ({"schedule": "* * * * *", "timezone": "Moon"}, "timezone"),
        ({"schedule": "*" * 5000}, "schedule"),
    ):
        answer = web.get("/api/schedule", params=given)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["path"] == path
    assert web.get("/api/schedule").json() == {"words": "", "next": []}


def test_a_start_that_the_clocks_skip_or_repeat_is_shown_where_it_happens() -> None:
    spring = read_back("30 2 * * *", "Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert spring["next"][0]["local"] == "2026-03-29T03:00:00+02:00"
    autumn = read_back("30 2 * * *", "Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert [one["local"][:16] for one in autumn["next"][:2]] == ["2026-10-25T02:30", "2026-10-26T02:30"]
    assert datetime.fromisoformat(autumn["next"][0]["local"]).astimezone(ZoneInfo("UTC")).hour == 0, "the first of two"
    with pytest.raises(DefinitionFaulty):
        read_back("H * * * *", "UTC")


def test_a_stored_schedule_that_cannot_be_read_is_shown_with_what_is_wrong_and_can_be_corrected(
    client: redis.Redis, web: httpx2.Client, browser: httpx2.Client
) -> None:
    """As one that an earlier version took: its hours run over midnight."""
    store(client, service(trigger=Schedule("0 22-2 * * *")))
    why = "got '0 22-2 * * *'; takes five cron fields such as '*/15 * * * *': bad hour"
    for path in ("/services", "/services/orders"):
        assert f"Invalid schedule: {why}" in unescape(browser.get(path).text), path
    assert web.get("/api/services/orders").json()["trigger"]["schedule"] == "0 22-2 * * *"
    form = Form(browser.get("/services/orders/edit").text)
    answer = browser.post("/services/orders/edit", data={**form.values(), "do": "save"})
    assert (answer.status_code, Form(answer.text).fault("trigger.schedule")) == (422, why)
    typed = {**form.values(), "trigger.schedule": "0 22-23,0-2 * * *", "do": "save"}
    assert browser.post("/services/orders/edit", data=typed).status_code == 303
    page = browser.get("/services/orders").text
    assert "cannot be read" not in page
    assert "<code>0 22-23,0-2 * * *</code>" in page


# --- trying a record --------------------------------------------------------------------------------------------------


TRIAL = {
    "filters": [{"field": "status", "op": "=", "value": "open"}],
    "mapping": [{"from": "email", "to": "email", "with": [["lower"]]}],
    "record": {"status": "open", "email": "ANA"},
}


def test_a_record_is_tried_against_filters_and_mapping(web: httpx2.Client) -> None:
    assert web.post("/api/try", json=TRIAL).json() == {"passes": True, "stopped_by": None, "result": {"email": "ana"}}
    stopped = web.post("/api/try", json={**TRIAL, "record": {"status": "paid"}}).json()
    assert stopped == {"passes": False, "stopped_by": "status = open", "result": None}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"mapping": [{"to": "x", "from": "email", "with": [["number"]]}]}, "mapping[0]"),
        ({"mapping": [{"to": "x", "with": [["lowr"]]}]}, "mapping[0].with[0]"),
        ({"filters": [{"field": "a b", "op": "="}]}, "filters[0].field"),
        ({"record": [1]}, "record"),
        ({"script": "x"}, "script"),
    ],
)
def test_what_is_wrong_with_a_trial_is_named(change: dict[str, Any], path: str) -> None:
    assert [one["path"] for one in trial.attempt({**TRIAL, **change})["errors"]] == [path]


@pytest.mark.slow
def test_a_trial_that_grows_without_end_is_ended(web: httpx2.Client) -> None:
    doubling = " | ".join(["join('', [@, @])"] * 200)
    answer = web.post(
        "/api/try", json={"mapping": [{"from": f"text | {doubling}", "to": "x"}], "record": {"text": "x" * 999}}
    )
    assert answer.status_code == 422
    assert web.get("/healthz").status_code == 200


@pytest.mark.slow
def test_a_record_is_tried_in_the_form(browser: httpx2.Client) -> None:
    page = opened(browser, "/services/new")
    typed = {"mapping[0].to": "email", "mapping[0].from": "email", "mapping[0].with": "lower"}
    for record, says in (
        ('{"email": "ANA<b>"}', "&#34;email&#34;: &#34;ana&lt;b&gt;&#34;"),
        ('{"email"', "is not JSON"),
        ("[1]", "takes an object"),
    ):
        answer = browser.post("/services/new", data={**page.values(), **typed, "try.record": record, "do": "try"})
        assert says in answer.text, answer.text
        assert Form(answer.text).values()["try.record"] == record
