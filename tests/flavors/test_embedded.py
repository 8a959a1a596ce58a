"""The JSON of instance_extra.flavor, in the shapes that it has, and in some that it must not have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dbaudit.flavors.embedded import FIELDS, read_embedded

ELEVEN: dict[str, Any] = {**dict.fromkeys(FIELDS, 1), "name": "m1", "flavorid": "f", "extra_specs": {"a": "b"}}
SEVENTEEN = {**ELEVEN, "disabled": False, "is_public": True, "created_at": None, "updated_at": None,
             "deleted_at": None, "deleted": False}  # fmt: skip


def document(**places: Any) -> str:
    return json.dumps({name: data and {"nova_object.data": data} for name, data in places.items()})


@pytest.mark.parametrize("data", [ELEVEN, SEVENTEEN])
def test_both_shapes_are_read(data: dict[str, Any]) -> None:
    found = read_embedded({}, [document(cur=data, old=None, new=None)])
    assert found.broken == ""
    assert found.current is not None
    assert found.current.whole
    assert found.current.specs == {"a": "b"}
    assert set(found.copies) == {""}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (document(cur=None, old=None, new=None), "names no current flavor"),
        (document(old=ELEVEN), "cannot be read (KeyError)"),
        ("{not json", "cannot be read (JSONDecodeError)"),
        ("[]", "cannot be read (TypeError)"),
    ],
)
def test_what_nova_could_not_read_is_broken(text: str, why: str) -> None:
    assert why in read_embedded({"instance_type_id": ["1"]}, [text]).broken
