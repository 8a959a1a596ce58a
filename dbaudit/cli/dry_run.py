"""`dbaudit dry-run`: the main job."""

from __future__ import annotations

from typing import Annotated

import typer

from dbaudit.cli import operands, options
from dbaudit.cli import plan as plan_options
from dbaudit.cli.grouping import grouped
from dbaudit.dryrun.course import Manifests

Runner = Annotated[
    str | None,
    typer.Option(
        "--runner",
        metavar="command:TEMPLATE|command:TOOL|alembic:INI|sql:DIR|reference",
        help="Run the real migrations: a command with {config} or {url}, and {version} or {phase}; a known "
        "tool such as cinder-manage; an Alembic project; SQL files; the structure from the step catalogue.",
    ),
]
Phases = Annotated[
    str | None,
    typer.Option(
        "--runner-phases",
        metavar="A,B",
        help="Phases of a tool that cannot stop at a version, or branches of an Alembic project: expand,contract.",
    ),
]
Beside = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="DUMP",
        help="Another database that the tool needs, restored beside this one and not stepped: nova_api. Repeatable.",
    ),
]
Charset = Annotated[
    str | None,
    typer.Option(
        "--database-charset",
        metavar="CHARSET",
        help="The database's default charset in production, where the dump has no CREATE DATABASE.",
    ),
]
Manifest = Annotated[
    Manifests,
    typer.Option(
        "--manifest",
        help="When the data is read to prove what was lost: after each step what it touched, or everything; or only "
        "before and after (ends).",
    ),
]
Dump = Annotated[
    str | None,
    typer.Argument(
        metavar="DUMP",
        help="A dump: .sql, plain or .gz, .xz, .bz2, .zst; a mydumper directory; - for standard input. "
        "Without one, the plan: of --plan, or [plan] in ./dbaudit.toml.",
    ),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="RELEASE", help="The release to upgrade to, for example havana; a plan may name it."),
]
ContinueAfter = Annotated[
    list[str] | None,
    typer.Option(
        "--continue-after",
        metavar="STEP|all",
        help="Where this step fails, mark it as done and go on; repeatable. What later steps do is then no upgrade's.",
    ),
]
RestartAt = Annotated[
    str | None,
    typer.Option("--restart-at", metavar="STEP", help="Run from this step on: those before it count as done."),
]
Retry = Annotated[bool, typer.Option("--retry", help="Run a failed step once more, to see whether a retry would do.")]
Keep = Annotated[bool, typer.Option("--keep", help="Leave the throwaway server running, and say how to reach it.")]
Rollback = Annotated[
    bool, typer.Option("--rollback-time", help="Restore the dump once more at the end: how long the way back takes.")
]
Workers = Annotated[int, typer.Option("--workers", min=1, max=64, help="Connections that restore rows.")]
# What these options are by default: a plan refuses another, since its databases say it themselves.
DRIVER = "mysql+pymysql"
WORKERS = 2


@grouped
def command(
    dump: Dump = None,
    to: To = None,
    database: options.Database = None,
    database_charset: Charset = None,
    server: options.Server = "auto",
    server_binary: options.ServerBinary = None,
    runner: Runner = None,
    runner_phases: Phases = None,
    runner_probe: options.RunnerProbe = None,
    runner_driver: options.RunnerDriver = DRIVER,
    runner_venv: options.RunnerVenv = None,
    runner_image: options.RunnerImage = None,
    beside: Beside = None,
    runner_env: options.RunnerEnv = None,
    runner_output: options.RunnerOutput = None,
    step_timeout: options.StepTimeout = None,
    stall_timeout: options.StallTimeout = None,
    manifest: Manifest = Manifests.TOUCHED,
    continue_after: ContinueAfter = None,
    restart_at: RestartAt = None,
    retry: Retry = False,
    keep: Keep = False,
    rollback_time: Rollback = False,
    allow_network: options.AllowNetwork = False,
    workers: Workers = WORKERS,
    production_size: options.ProductionSize = None,
    calibrate: options.Calibrate = None,
    plan: plan_options.File = None,
    jobs: plan_options.Jobs = None,
    executor: plan_options.Executor = None,
    state: plan_options.State = None,
    fresh: plan_options.Fresh = False,
    policy: options.Policy = None,
    pack: options.Pack = None,
    *,
    report: options.Report,
) -> int:
    """Rehearse an upgrade on a dump: restore it on a throwaway server, predict, run the steps, give a verdict."""
    from dbaudit import packs
    from dbaudit.cli import places
    from dbaudit.dryrun.course import Course
    from dbaudit.dryrun.pipeline import dry_run
    from dbaudit.dryrun.request import Request, RunnerRequest
    from dbaudit.errors import UsageError
    from dbaudit.migration.tool import read_variables
    from dbaudit.production.estimate import read_production
    from dbaudit.release import release
    from dbaudit.report.progress import drawn
    from dbaudit.schema.known import known_charset

    for folder in pack or []:
        packs.add(folder)
    if dump is None or plan is not None:
        plan_options.require_alone(dump, {
            "--runner": runner, "--runner-phases": runner_phases, "--runner-probe": runner_probe,
            "--runner-output": runner_output, "--database": database, "--database-charset": database_charset,
            "--server-binary": server_binary, "--step-timeout": step_timeout, "--allow-network": allow_network,
            "--server": server != "auto", "--runner-venv": runner_venv, "--runner-env": runner_env,
            "--production-size": production_size, "--calibrate": calibrate,
            "--stall-timeout": stall_timeout is not None, "--runner-image": runner_image,
            "--runner-driver": runner_driver != DRIVER, "--with": beside, "--restart-at": restart_at,
            "--keep": keep, "--workers": workers != WORKERS,
        })  # fmt: skip
        given = {
            "manifests": manifest is not Manifests.TOUCHED and manifest, "retry": retry, "rollback": rollback_time,
            "continue_after": tuple(continue_after or ()),
        }  # fmt: skip
        course = {name: value for name, value in given.items() if value}
        asked = plan_options.Asked(to, jobs, executor, state, fresh, policy, tuple(pack or ()), course)
        return plan_options.rehearse(plan, asked, report)
    if to is None:
        raise UsageError("--to is missing", "name the release to upgrade to: --to havana")
    plan_options.require_plan(jobs=jobs, executor=executor, state=state, fresh=fresh)
    phases = tuple(name for name in (runner_phases or "").split(",") if name)
    kept = runner_output or places.runs()
    stepping = None
    if (phases or runner_probe) and not runner:
        raise UsageError("--runner-phases and --runner-probe need a runner", "add --runner 'command:...'")
    if runner:
        stepping = RunnerRequest(
            runner, phases, runner_probe, runner_driver, step_timeout, stall_timeout, allow_network, kept, runner_venv,
            read_variables(runner_env or []), runner_image,
        )  # fmt: skip
    manner = Course(
        manifest, continue_after=tuple(continue_after or ()), restart_at=restart_at, retry=retry, keep=keep,
        rollback=rollback_time,
    )  # fmt: skip
    charset = known_charset(database_charset) if database_charset else None
    request = Request(
        dump, release(to), database, charset, server, server_binary, stepping, workers,
        operands.policy(policy), course=manner,
        production=read_production(production_size or [], calibrate), beside=tuple(beside or ()),
    )  # fmt: skip
    with drawn(quiet=report.quiet) as watch:
        result = dry_run(request, places.places(), places.environment(), watch)
    return report.write(result)
