"""What is known about differences: the site's own objects, known variants, likely renames, spellings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dbaudit.comparison.compare import Comparison, Wishes, compare
from dbaudit.comparison.findings import result
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.comparison.policy import Policy, read_policy
from dbaudit.comparison.side import Side
from dbaudit.errors import DbauditError
from dbaudit.release import release
from dbaudit.schema.model import Column, Index, IndexKind, IndexPart

ROOT = Path(__file__).resolve().parents[2]
WHO = 'reason = "billing"\nowner = "ann"\n'


def read(operand: str) -> Side:
    return read_operand(operand, Reading(Path()))


def policy(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "dbaudit.toml"
    path.write_text(text)
    return read_policy(path)


def site(**columns: str) -> Side:
    """Cinder at Grizzly with columns and an index of the site's own in `volumes`."""
    side = read("cinder@grizzly")
    table = side.schema.tables["volumes"]
    own = tuple(Column(name, type_) for name, type_ in columns.items())
    index = Index("site_host", IndexKind.PLAIN, (IndexPart("host"),))
    table = replace(table, columns=(*table.columns, *own), indexes=(*table.indexes, index))
    return replace(
        side,
        operand="site",
        what="dump",
        reference=None,
        schema=replace(side.schema, tables={**side.schema.tables, "volumes": table}),
    )


OWN = f"""
[[own]]
table = "vol*"
column = "site_*"
{WHO}
[[own]]
table = "volumes"
index = "site_*"
{WHO}
"""


def judged(comparison: Comparison) -> dict[str, bool]:
    return {each.difference.name: each.note for each in comparison.judged}


def test_the_sites_own_objects_are_notes(tmp_path: Path) -> None:
    found = compare(read("cinder@grizzly"), site(site_pool="int(11)"), Wishes(policy(tmp_path, OWN)))
    assert judged(found) == {"site_pool": True, "site_host": True}
    assert result(found).exit == 0
    assert "the site's own (ann): billing" in result(found).findings[0].message


def test_and_findings_when_a_pending_step_works_on_them(tmp_path: Path) -> None:
    text = OWN + f'[[own]]\ntable = "volumes"\ncolumn = "bootable"\n{WHO}'
    wishes = Wishes(policy(tmp_path, text), release("havana"))
    found = compare(read("cinder@grizzly"), site(site_pool="int(11)", bootable="int(11)"), wishes)
    assert judged(found) == {"site_pool": True, "site_host": True, "bootable": False}
    (finding,) = [each for each in result(found).findings if each.severity == "warning"]
    assert finding.object == "volumes.bootable"
    assert finding.facts["steps"] == ["cinder:11"]
    assert "ann" in finding.remedy


def test_an_index_over_a_column_that_a_step_drops_is_touched(tmp_path: Path) -> None:
    side = read("nova@grizzly")
    table = side.schema.tables["volume_usage_cache"]
    index = Index("site_i", IndexKind.PLAIN, (IndexPart("instance_id"),))
    tables = {**side.schema.tables, table.name: replace(table, indexes=(*table.indexes, index))}
    own = replace(side, reference=None, schema=replace(side.schema, tables=tables))
    text = f'[[own]]\ntable = "*"\nindex = "site_*"\n{WHO}'
    found = compare(side, own, Wishes(policy(tmp_path, text), release("havana")))
    assert [str(step) for step in found.judged[0].judgement.steps] == ["nova:175"]


def test_a_policy_excuses_no_change_of_upstreams_tables_and_tells_what_it_does_not_use(tmp_path: Path) -> None:
    text = f'[[own]]\ntable = "volumes"\n{WHO}[[own]]\ntable = "gone_*"\n{WHO}'
    side = site()
    table = replace(side.schema.tables["volumes"], engine="MyISAM")
    side = replace(side, schema=replace(side.schema, tables={**side.schema.tables, "volumes": table}))
    found = compare(read("cinder@grizzly"), side, Wishes(policy(tmp_path, text)))
    assert not any(each.note for each in found.judged)
    assert sum("nothing here is the table" in note for note in found.notes) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[own]]\ntable = "x"\nowner = "a"\n', "no reason"),
        (f'[[own]]\ncolumn = "x"\n{WHO}', "names no table"),
        (f'[[own]]\ntable = "x"\ncolumn = "a"\nindex = "b"\n{WHO}', "make two entries"),
        (f'[[own]]\ntabel = "x"\n{WHO}', "unknown key tabel"),
        ("own = 3", "list of tables"),
        ("[[own", "not TOML"),
        (f"[[own]]\ntable = 3\n{WHO}", "must be text"),
    ],
)
def test_policies_that_are_wrong_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DbauditError) as raised:
        policy(tmp_path, text)
    assert said in f"{raised.value.what} {raised.value.hint}"


def dump(tmp_path: Path, name: str, column: str, rows: str, table: str = "t") -> Side:
    path = tmp_path / name
    path.write_text(
        f"CREATE TABLE `{table}` (\n  `id` int(11) NOT NULL,\n  `{column}` varchar(9) DEFAULT NULL,\n"
        f"  `z` decimal(9,2) DEFAULT NULL,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;\n"
        + (f"INSERT INTO `{table}` VALUES {rows};\n" if rows else "")
    )
    return read_operand(str(path), Reading(tmp_path))


def test_a_renamed_column_by_place_type_and_values(tmp_path: Path) -> None:
    one = dump(tmp_path, "1.sql", "a", "(1,'x',1.50),(2,NULL,2)")
    two = dump(tmp_path, "2.sql", "b", "(2,NULL,2),(1,'x',1.50)")
    (found,) = compare(one, two).renames
    assert (found.old, found.new, found.sure) == ("a", "b", True)
    assert found.evidence == (
        "same definition, varchar(9)", "same place among the columns", "same checksum of 2 rows on both sides",
    )  # fmt: skip
    assert compare(one, dump(tmp_path, "3.sql", "b", "(1,'y',1.50),(2,NULL,2)")).renames == ()
    (unsure,) = compare(dump(tmp_path, "4.sql", "a", ""), dump(tmp_path, "5.sql", "b", "")).renames
    assert not unsure.sure and len(unsure.evidence) == 2


def test_a_renamed_table(tmp_path: Path) -> None:
    one = dump(tmp_path, "1.sql", "a", "(1,'x',1.5),(2,NULL,2)")
    (found,) = compare(one, dump(tmp_path, "2.sql", "a", "(1,'x',1.5),(2,NULL,2)", "u")).renames
    assert (str(found.kind), found.old, found.new, found.sure) == ("table", "t", "u", True)
    assert found.evidence[0] == "the same 3 columns, indexes and options"
    assert compare(one, dump(tmp_path, "3.sql", "a", "(1,'x',1.5),(3,NULL,2)", "u")).renames == ()


def test_a_known_variant_is_a_note_from_either_side() -> None:
    upstream = read("nova@kilo")
    name = "shadow_project_user_quotas"
    table = upstream.schema.tables[name]
    wide = tuple(replace(c, type="varchar(255)") if c.name == "resource" else c for c in table.columns)
    tables = {**upstream.schema.tables, name: replace(table, columns=wide)}
    fresh = replace(upstream, reference=None, schema=replace(upstream.schema, tables=tables))
    for one, two in ((upstream, fresh), (fresh, upstream), (replace(upstream, reference=None), fresh)):
        found = compare(one, two)
        assert [each.note for each in found.judged] == [True]
        assert result(found).exit == 0


def test_what_was_treated_as_equal_is_listed_with_its_rule() -> None:
    side = read("cinder@havana")
    table = side.schema.tables["volumes"]
    columns = tuple(replace(c, type=c.type.replace("int(11)", "int")) for c in table.columns)
    changed = replace(table, columns=columns, charset="utf8mb3", collation="utf8mb3_general_ci")
    other = replace(side, schema=replace(side.schema, tables={**side.schema.tables, "volumes": changed}))
    found = compare(side, other, Wishes(show_normalised=True))
    assert found.judged == ()
    assert found.equal is not None
    told = {(each.rule, each.attribute, each.left, each.right) for each in found.equal}
    assert ("integer_width", "type", "int(11)", "int") in told
    assert ("charset_names", "charset", "utf8", "utf8mb3") in told
    assert all(each.why for each in found.equal)
