"""What differs between Datasettes: configuration, permissions and the catalog, on the Datasette that runs the tests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import click
import pytest
from datasette import utils

from datasette_litestream import datasette_versions as versions

Make = Callable[..., Any]
IS_0_65 = versions.CATALOG is not None
ALICE, BOB, ROOT = {"id": "alice"}, {"id": "bob"}, {"id": "root"}


def test_the_configuration_is_where_this_Datasette_has_plugins_settings(make_datasette: Make, replicate_all: Any) -> None:
    written, address, shown = versions.configuration(make_datasette(replicate_all))
    assert written["plugins"] == replicate_all["plugins"]
    assert shown["plugins"] == replicate_all["plugins"]
    assert address == ("/-/metadata.json" if IS_0_65 else "/-/config.json")


def test_the_address_shows_what_is_said_that_it_shows(make_datasette: Make, get: Any) -> None:
    datasette = make_datasette({"plugins": {"datasette-other": {"key": "value", "secret": "value"}}})
    _, address, shown = versions.configuration(datasette)
    assert get(datasette, address).json()["plugins"] == shown["plugins"]


def test_without_any_configuration_it_is_empty(make_datasette: Make) -> None:
    written, _, shown = versions.configuration(make_datasette())
    assert not written.get("plugins")
    assert not shown.get("plugins")


@pytest.mark.parametrize(
    ("configuration", "actor", "expected"),
    [
        ({}, None, False),
        ({}, ALICE, False),
        ({}, ROOT, True),
        ({"permissions": {"litestream-view-status": {"id": "alice"}}}, ALICE, True),
        ({"permissions": {"litestream-view-status": {"id": "alice"}}}, BOB, False),
        ({"permissions": {"litestream-view-status": {"id": "alice"}}}, None, False),
        ({"permissions": {"litestream-view-status": True}}, None, True),
        ({"permissions": {"litestream-view-status": False}}, ALICE, False),
        ({"permissions": {"something-else": True}}, ALICE, False),
    ],
)
def test_who_may_see_the_status(make_datasette: Make, run: Any, configuration: Any, actor: Any, expected: bool) -> None:
    datasette = make_datasette(configuration)

    async def ask() -> bool:
        await datasette.invoke_startup()
        return await versions.is_allowed(datasette, actor)

    assert run(ask()) is expected


def test_other_permissions_are_left_to_others(make_datasette: Make) -> None:
    assert versions.permission_allowed(make_datasette(), ROOT, "execute-sql") is None


def test_the_catalog_is_named_where_Datasette_lists_it(make_datasette: Make) -> None:
    listed = "_internal" in make_datasette().databases
    assert listed == (versions.CATALOG == "_internal")


def test_a_refused_start_is_an_error_that_Datasette_prints_without_a_traceback() -> None:
    error = versions.StartupError("what is wrong")
    assert isinstance(error, utils.StartupError)
    assert isinstance(error, click.ClickException)
    assert str(error) == "what is wrong"


def test_a_task_runs_beside_Datasette(make_datasette: Make, run: Any) -> None:
    datasette, done = make_datasette(), threading.Event()

    async def task(datasette: Any) -> None:
        done.set()

    async def begin() -> None:
        versions.run_beside(datasette, task)
        if hasattr(datasette, "add_background_task"):
            assert [each["name"] for each in datasette._tasks()["tasks"]] == ["datasette-litestream"]
            await datasette.start_background_tasks()
            await datasette._background_tasks.tasks()[0].task

    run(begin())
    assert done.wait(10)
