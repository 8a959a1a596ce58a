"""Cinder databases to backfill, made for a test."""

from __future__ import annotations

from dbaudit.migration.catalogue import load_catalogue, reference_at
from dbaudit.release import release
from dbaudit.server.server import Server
from tests.test_laws import load


def load_untyped(server: Server, schema: str, volumes: int) -> None:
    """Havana's cinder with the type `standard`, and so many available volumes on p01 that have none."""
    catalogue = load_catalogue("cinder")
    assert catalogue
    reference = reference_at("cinder", catalogue.releases[release("havana")])
    assert reference
    values = ", ".join(f"('v{n:06}', 'p{n % 5}', 'p01', 1, 'available', 0)" for n in range(volumes))
    rows = (
        "INSERT INTO volume_types (id, name, deleted) VALUES ('t-standard', 'standard', 0);\n"
        f"INSERT INTO volumes (id, project_id, host, size, status, deleted) VALUES {values};\n"
    )
    load(server, schema, reference, rows)
