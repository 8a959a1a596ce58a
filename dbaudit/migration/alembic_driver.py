"""Run by the Python of the operator's virtualenv, never imported: asks or upgrades the Alembic project that is there.

    python alembic_driver.py REQUEST ANSWER

REQUEST is a JSON file (it holds a password): `action` (list, where, look, upgrade), `ini` or null, `section`,
`location` or null, `package` and `path` for a script location inside an installed package, `url`, `revision`.
ANSWER is written as JSON. What the project prints goes to standard output, and is nobody's answer.

It works with any Alembic since 1.0 and any Python since 3.6, so nothing newer may be used here: annotations stand in
quotes.
"""

import gc
import json
import os
import sys
from typing import Any

# Importing a project makes objects that stay: looking through them again and again takes a quarter of its time.
gc.set_threshold(50000)
# This file's own directory: its modules must not be found in place of the project's.
sys.path[0:1] = [""]


def main(request: "dict[str, Any]") -> "dict[str, Any]":
    """The answer to a request."""
    if request["ini"]:
        os.chdir(os.path.dirname(request["ini"]))
    elif request["location"]:
        os.chdir(os.path.dirname(request["location"]))
    config = configured(request)
    if request["action"] == "list":
        return {"revisions": revisions(config)}
    if request["action"] == "where":
        return {"seen": asked(config, proof)}
    if request["action"] == "look":
        return {"revisions": revisions(config), "databases": asked(config, standing)}
    from alembic import command

    command.upgrade(config, request["revision"])
    return {}


def configured(request: "dict[str, Any]") -> Any:
    """The project's configuration, with the URL of the throwaway server instead of its own."""
    from alembic.config import Config

    config = Config(request["ini"] or None, ini_section=request["section"] or "alembic")
    location = request["location"]
    if request["package"]:
        from importlib.util import find_spec

        found = find_spec(request["package"])
        places = list(found.submodule_search_locations or []) if found else []
        if not places:
            raise SystemExit(f"ERROR: {request['package']} is not installed in {sys.prefix}")
        location = os.path.join(places[0], *request["path"].split("/"))
    if location:
        config.set_main_option("script_location", location.replace("%", "%%"))
    if request["url"]:
        config.set_main_option("sqlalchemy.url", request["url"].replace("%", "%%"))
    return config


def revisions(config: Any) -> "list[dict[str, Any]]":
    """Every revision, none before those that it needs."""
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(config)
    found = []
    for each in reversed(list(script.walk_revisions())):
        needs = list(each._all_down_revisions)
        found.append(
            {"revision": each.revision, "needs": needs, "branches": sorted(each.branch_labels), "title": each.doc or ""}
        )
    return found


def asked(config: Any, question: Any) -> "list[Any]":
    """The answers of every connection that the project's env.py opens; nothing is migrated."""
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    answers: list[Any] = []

    def no_steps(_revision: Any, context: Any) -> "list[Any]":
        answers.append(question(context))
        return []

    script = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, script, fn=no_steps, dont_mutate=True):
        script.run_env()
    return answers


def proof(context: Any) -> "list[str]":
    """What the connection reads in the table that only the probe schema has with these rows."""
    from sqlalchemy import text

    rows = context.connection.execute(text("SELECT version_num FROM alembic_version"))
    return sorted(str(row[0]) for row in rows)


def standing(context: Any) -> "dict[str, Any]":
    """Where the database stands, and the name of the table that says so."""
    return {"heads": sorted(context.get_current_heads()), "table": context.version_table}


if __name__ == "__main__":
    with open(sys.argv[1]) as source:
        asked_for = json.load(source)
    answer = main(asked_for)
    with open(sys.argv[2], "w") as sink:
        json.dump(answer, sink)
