"""The plugin's pages in a real Datasette: who may see them, and what stands there in each state."""

from __future__ import annotations

from typing import Any

import pytest

from datasette_litestream import bridge, datasette_versions

STATUS, JSON, METRICS, HEALTH = "/-/litestream-status", "/-/litestream-status.json", "/-/litestream/metrics", "/-/litestream/health"
DRILLS, DRILLS_JSON = "/-/litestream/drills", "/-/litestream/drills.json"


@pytest.mark.parametrize("path", [STATUS, JSON, METRICS, DRILLS, DRILLS_JSON])
def test_nobody_sees_them_without_the_permission(make_datasette: Any, get: Any, path: str) -> None:
    response = get(make_datasette(), path, as_root=False)
    assert response.status_code == 403
    assert "litestream-view-status" in response.text


@pytest.mark.parametrize("path", [STATUS, DRILLS])
def test_without_configuration_the_page_shows_how_to_configure_it(make_datasette: Any, get: Any, path: str) -> None:
    response = get(make_datasette(None, "parks"), path)
    assert response.status_code == 200
    assert "not configured" in response.text
    assert "all-replicate" in response.text
    assert "no-store" in response.headers["cache-control"]


@pytest.mark.parametrize(("path", "status"), [(JSON, 200), (DRILLS_JSON, 200), (METRICS, 404), (HEALTH, 404)])
def test_without_configuration_machines_are_told_so(make_datasette: Any, get: Any, path: str, status: int) -> None:
    response = get(make_datasette(), path)
    assert response.status_code == status
    assert response.json() == {"state": "unconfigured"}


def test_health_is_for_everybody(replicated: Any, get: Any) -> None:
    datasette, stand_in = replicated
    response = get(datasette, f"{HEALTH}?a=b", as_root=False)
    assert (response.status_code, response.text) == (200, "health a=b")
    assert ("Answer", "health", "a=b", False) in stand_in.asked


def test_a_query_reaches_the_assembly_as_it_came(replicated: Any, get: Any) -> None:
    datasette, _ = replicated
    assert get(datasette, f"{JSON}?database=a%26b&x=%C3%A4").text == "json database=a%26b&x=%C3%A4"


def test_the_drills_have_a_page_and_a_json_of_their_own(replicated: Any, get: Any) -> None:
    datasette, stand_in = replicated
    get(datasette, f"{DRILLS}?search=parks")
    assert ("Drills", "search=parks", True) in stand_in.asked
    assert get(datasette, f"{DRILLS_JSON}?page=2").text == "drills page=2"


@pytest.mark.parametrize("path", [STATUS, DRILLS])
def test_a_database_that_is_not_replicated_is_not_found(replicated: Any, get: Any, path: str) -> None:
    datasette, _ = replicated
    response = get(datasette, f"{path}?database=nothing")
    assert response.status_code == 404
    assert "no such database" in response.text


def test_a_refusal_is_shown_with_its_reason(make_datasette: Any, get: Any) -> None:
    datasette = make_datasette()
    bridge.refusals[datasette] = bridge.Refused("datasette-litestream: the <key> is wrong")
    for path in (STATUS, DRILLS):
        page = get(datasette, path)
        assert page.status_code == 200
        assert "failed: datasette-litestream: the &lt;key&gt; is wrong" in page.text
    assert get(datasette, DRILLS_JSON).json()["state"] == "failed"
    health = get(datasette, HEALTH, as_root=False)
    assert (health.status_code, health.text) == (503, "failed: replication has not started\n")


def test_the_menu_has_the_page_for_those_who_may_see_it(make_datasette: Any, get: Any) -> None:
    datasette = make_datasette()
    assert "Litestream status" in get(datasette, "/").text
    assert "Litestream status" not in get(datasette, "/", as_root=False).text


def test_a_databases_own_page_has_its_state(replicated: Any, get: Any) -> None:
    datasette, _ = replicated
    page = get(datasette, "/parks")
    assert page.status_code == 200
    # Datasette 0.65 has no such place on the page.
    assert ("behind: &lt;5 s&gt;" in page.text) == (datasette_versions.CATALOG is None)
    assert "behind" not in get(datasette, "/parks", as_root=False).text


def test_a_broken_bridge_does_not_break_the_databases_page(replicated: Any, get: Any) -> None:
    datasette, stand_in = replicated
    stand_in.broken = True
    page = get(datasette, "/parks")
    assert page.status_code == 200
    assert stand_in.asked
    assert "litestream-line" not in page.text
