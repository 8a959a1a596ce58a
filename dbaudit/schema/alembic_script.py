"""stub"""

from __future__ import annotations

from dbaudit.schema.model import Schema


def revision(left: Schema, right: Schema, names: tuple[str, str], *, allow_loss: bool = False) -> str:
    """stub"""
    raise NotImplementedError
