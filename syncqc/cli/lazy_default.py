"""Defaults that are written in a dataclass of another room, shown in ``--help`` without importing that room for every command."""

from __future__ import annotations

import importlib
from dataclasses import fields


class _DefaultOf(str):
    """Text that is looked up when it is shown."""

    __slots__ = ()

    def __str__(self) -> str:
        module, _, path = str.__str__(self).partition(":")
        class_name, _, field_name = path.partition(".")
        holder = getattr(importlib.import_module(module), class_name)
        value = next(item.default for item in fields(holder) if item.name == field_name)
        return f"{value:g}" if isinstance(value, float) else f"{value}"

    def __format__(self, how: str) -> str:
        return format(str(self), how)


def default_of(where: str) -> str:
    """Text that shows as the default of a dataclass field, given as ``package.module:Class.field``."""
    return _DefaultOf(where)
