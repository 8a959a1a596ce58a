"""Views, triggers, routines and events: the same object on MySQL 5.6, MySQL 9 and MariaDB is no difference, and each
change of one is."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable

import pytest

from dbaudit.schema.canon import canonical
from dbaudit.schema.canon._select import selected
from dbaudit.schema.diff import diff
from dbaudit.schema.model import Schema, View
from dbaudit.schema.read import read_live
from dbaudit.schema.render import render_others
from dbaudit.server.server import Server
from tests import matrix

TABLES = (
    "create table t (id int not null auto_increment primary key, a int, b varchar(20), c datetime, d decimal(10,2),"
    " deleted tinyint(1) default 0, txt text) engine=innodb default charset=utf8",
    "create table u (id int primary key, t_id int, name varchar(30), constraint f foreign key (t_id) references t(id))"
    " engine=innodb default charset=utf8",
)
VIEWS = {
    "plain": "select * from t",
    "condition": "select id, a+1 as x, concat(b,'x') y from t where a > 1 and b <> 'foo' or c is null",
    "names": "select concat(b,'x'), a+1, count(*) from t group by b",
    "inner": "select t.id, u.name from t join u on t.id = u.t_id where t.deleted = 0",
    "outer": "select t.id, u.name from t left join u on t.id = u.t_id and u.name like 'a%'"
    " left join u u2 on u2.id=u.id",
    "nested": "select t.id from t left join (u join u u2 on u.id=u2.id) on t.id=u.t_id",
    "comma": "select t.b, u.name from t, u where t.id=u.t_id",
    "right": "select t.id from t right join u on t.id=u.t_id",
    "straight": "select straight_join t.id from t straight_join u on t.id=u.t_id",
    "subqueries": "select id from t where id in (select t_id from u where name='x') and exists (select 1 from u where"
    " u.t_id=t.id) and a > any (select t_id from u)",
    "scalar": "select id,(select max(name) from u where u.t_id=t.id) m from t",
    "cases": "select case when a>1 then 'big' when a=0 then 'zero' else 'neg' end k, case a when 1 then 'x' end z,"
    " if(a>1,'y','n') w, coalesce(b,txt,'z') co from t",
    "functions": "select lower(b) l, upper(b) up, length(b) le, left(b,2) lf, trim(leading 'x' from b) tr, now() n,"
    " date(c) d, cast(a as char) ca, convert(b using utf8) cv, substring(b from 2 for 3) s, extract(year from c) e"
    " from t",
    "times": "select c + interval 1 day x, date_sub(c, interval 1 month) z, timestampdiff(day,c,now()) td from t",
    "groups": "select a, count(*) n, count(distinct b) nd, sum(d) s, group_concat(distinct b order by b"
    " separator ';') g from t group by a having count(*) > 1 order by n desc, a limit 10",
    "unions": "select id, b from t union select id, name from u union all select 1, 'x'",
    "sums": "select a*2+1 q, (a+1)*2 w, a%2 r, a div 2 dv, -a n, a&1 ba, ~a bn, a<<1 sl from t",
    "truths": "select not a n, a xor 1 x, a not between 1 and 5 nb, a not in (1,2) ni, b not like 'y' nl, b regexp '^a'"
    " r, a is not null nn, a <=> null ne from t where a and not deleted",
    "rows": "select id from t where (a,b) = (1,'x') and (a,id) in ((1,2),(3,4))",
    "constants": "select 1 one, 'it''s' s, null n, true tr, 1e3 g, date '2014-01-01' dl, 0x41 h from t",
    "places": "select id from t order by a asc, b desc, 1 limit 5,10",
    "collated": "select b collate utf8_bin c, b = 'x' e from t where binary b = 'A'",
    "hints": "select id from t force index (primary) where id>3",
    "checked": "select id,a from t where a>3 with local check option",
}
OTHERS = (
    "create algorithm=merge sql security invoker view merged as select id from t where a=1",
    "create view columns_named (c1,c2) as select id,a from t",
    "create definer='someone'@'%' view somebodys as select id from t",
    "create trigger tr1 before insert on t for each row set new.a = ifnull(new.a, 0)",
    "create definer='x'@'%' trigger tr2 after update on t for each row begin if new.a <> old.a then"
    " insert into u values (new.id, new.id, 'it''s; odd'); end if; end",
    "create procedure p1(in x int, out y varchar(20)) begin select count(*) into x from t; set y='a;b'; end",
    "create procedure p2() sql security invoker comment 'it''s' deterministic reads sql data select 1",
    "create function f1(x int, y varchar(20)) returns varchar(20) deterministic return concat(x,y)",
    "create function f2(x int(11)) returns int(11) no sql return x+1",
    "create function f3(x varchar(20) character set latin1) returns text character set latin1 deterministic return x",
    "create function f4(d decimal(10,2)) returns decimal(10,2) unsigned deterministic return d",
    "create event e1 on schedule every 1 day starts '2030-01-01 00:00:00' on completion preserve disable comment 'c;c'"
    " do delete from t where a=1",
    "create event e2 on schedule every '1:30' hour_minute starts '2030-01-01 00:00:00' disable on slave do select 1",
)


def loaded(server: Server, database: str) -> Schema:
    server.drop_database(database)
    server.create_database(database, "utf8")
    with contextlib.closing(server.admin(database)) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = ''")
        for sql in (*TABLES, *(f"create view v_{name} as {sql}" for name, sql in VIEWS.items()), *OTHERS):
            cursor.execute(sql)
        return read_live(connection, database)


def test_each_two_servers_say_the_same(serve: Callable[[str], Server]) -> None:
    schemas = {}
    for wish in matrix.WISHES:
        with contextlib.suppress(matrix.AbsentError):
            schemas[wish] = loaded(serve(wish), "spelling")
    if len(schemas) < 2:
        pytest.skip("needs two servers")
    for one, two in itertools.combinations(schemas, 2):
        assert diff(schemas[one], schemas[two]) == (), (one, two)


def test_the_one_form_loads_and_comes_back_as_it_is(server: Server, schema_name: str) -> None:
    live = loaded(server, schema_name)
    form = canonical(live)
    assert set(form.views) == {*(f"v_{name}" for name in VIEWS), "merged", "columns_named", "somebodys"}
    with contextlib.closing(server.admin(schema_name)) as connection, connection.cursor() as cursor:
        for name, sql in render_others(form):
            cursor.execute(f"DROP {name}")
            cursor.execute(sql)
        assert diff(live, read_live(connection, schema_name)) == ()


# Each is a change of one thing in a query: brackets that matter, operators, values, names, joins, orders.
CHANGES = [
    ("a > 1 and b <> 'foo' or c is null", "a > 1 and (b <> 'foo' or c is null)"),
    ("a+1 as x", "a+2 as x"), ("a+1 as x", "a+1 as x2"), ("concat(b,'x')", "concat(b,'X')"), ("<> 'foo'", "= 'foo'"),
    ("is null", "is not null"), ("a > 1", "a >= 1"), ("left join u on", "join u on"),
    ("(u join u u2 on u.id=u2.id) on t.id=u.t_id", "u on t.id=u.t_id left join u u2 on u.id=u2.id"),
    ("like 'a%'", "not like 'a%'"), ("like 'a%'", "like 'a\\\\%'"), ("union all", "union"), ("n desc", "n"),
    ("limit 10", "limit 11"), ("limit 5,10", "limit 10,5"), ("distinct b)", "b)"), ("separator ';'", "separator ','"),
    ("exists (", "not exists ("), ("any (", "all ("), ("max(name)", "min(name)"), ("else 'neg' end", "end"),
    ("(a+1)*2", "a+1*2"), ("not a n", "a n"), ("a and not deleted", "a or not deleted"), ("1 month", "1 day"),
    ("(a,b) = (1,'x')", "(a,b) = (1,'y')"), ("order by a asc, b", "order by b, a"), ("utf8_bin", "utf8_unicode_ci"),
    ("where a>3", "where a>4"), ("group by a", "group by a, b"), ("force index", "ignore index"),
    ("div 2", "/ 2"), ("true tr", "false tr"), ("0x41", "0x42"),
    ("select id, b from t union", "select id, txt from t union"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), CHANGES)
@pytest.mark.server("mariadb")
def test_a_change_is_told_and_nothing_else(server: Server, schema_name: str, old: str, new: str) -> None:
    name = next(name for name, sql in VIEWS.items() if old in sql)
    server.create_database(schema_name, "utf8")
    schemas = []
    with contextlib.closing(server.admin(schema_name)) as connection, connection.cursor() as cursor:
        for sql in TABLES:
            cursor.execute(sql)
        for sql in (VIEWS[name], VIEWS[name].replace(old, new, 1)):
            cursor.execute(f"create or replace view v_{name} as {sql}")
            schemas.append(read_live(connection, schema_name))
    (found,) = diff(*schemas)
    assert (found.name, found.attribute) == (f"v_{name}", "select")


def test_other_views_of_the_same_query_differ_in_what_they_are() -> None:
    view = View("v", "select `t`.`a` AS `a` from `t`")
    one, two = (Schema(views={"v": each}) for each in (view, View("v", view.select, columns=("b",))))
    (found,) = diff(one, two)
    assert found.attribute == "select"
    odd = View("v", "select `t`.`a` sounds like 'x' AS `a` from `t`")
    assert selected(odd.select) is None
    (found,) = diff(Schema(views={"v": odd}), Schema(views={"v": View("v", odd.select, columns=("b",))}))
    assert found.attribute == "columns"


def test_every_form_is_in_the_list() -> None:
    """What the reader of queries has a word for is in some view above."""
    text = " ".join(VIEWS.values())
    for word in ("union all", "left join", "right join", "straight_join", "having", "limit", "distinct", "regexp"):
        assert re.search(rf"\b{word}\b", text), word
