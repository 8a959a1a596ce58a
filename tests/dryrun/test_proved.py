"""A predicted loss is confirmed by the loss that was seen."""

from __future__ import annotations

from dbaudit.dryrun.rehearsal import proved
from dbaudit.finding import Effect, Finding, Severity, step

SEEN = Finding(
    "proof.table-dropped", Severity.WARNING, Effect.LOSES, "migrations", "gone", step=step("cinder", 15), confirmed=True
)


def predicted(place: str, number: int, effect: Effect = Effect.LOSES) -> Finding:
    return Finding("step.rows-dropped", Severity.WARNING, effect, place, "will go", step=step("cinder", number))


def test_by_table_and_step() -> None:
    assert [
        each.confirmed for each in proved((predicted("migrations", 15), predicted("migrations.id", 15)), (SEEN,))
    ] == [
        True,
        True,
    ]


def test_another_step_table_or_effect_is_left_open() -> None:
    others = (predicted("migrations", 16), predicted("volumes", 15), predicted("migrations", 15, Effect.BLOCKS))
    assert [each.confirmed for each in proved(others, (SEEN,))] == [None, None, None]
