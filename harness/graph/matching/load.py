"""Patterns out of YAML files: the shipped ones by name, others by path."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import UserError, did_you_mean
from harness.graph.families import family
from harness.graph.matching import sound
from harness.graph.matching.pattern import Pattern, PatternNode, Ref, Rewrite, Value

SHIPPED = Path(__file__).parent / "patterns"
_BYTES = 64 * 1024
_COMMUTE = frozenset({"add", "mul", "maximum", "minimum", "equal", "logicaland", "logicalor"})
"""Families of operators whose two inputs may be exchanged."""
_KEYS = ("about", "any_of", "closed", "nodes", "outputs", "rewrite", "through", "values")
_NODE_KEYS = ("any_order", "attributes", "dtype", "inputs", "op", "optional")
_VALUE_KEYS = ("constant", "dtype", "number", "rank", "tolerance")


def shipped() -> list[str]:
    """Return the names of the patterns that come with the harness."""
    return sorted(file.stem for file in SHIPPED.glob("*.yaml"))


def about(name: str) -> str:
    """Return what a shipped pattern says of itself."""
    return str(_content(SHIPPED / f"{name}.yaml").get("about", ""))


def load(name: str) -> tuple[Pattern, ...]:
    """Return the pattern in a file, or the shipped one of that name; all its forms when it has several.

    Raises:
        UserError: there is none, or its file says what no pattern has; the message names the key and what is allowed.
    """
    file = Path(name)
    if file.suffix in (".yaml", ".yml"):
        return _forms(file, file.parent)
    if name not in shipped():
        raise UserError(f"'{name}' is no pattern; {did_you_mean(name, shipped())}, or a file .yaml")
    return _forms(SHIPPED / f"{name}.yaml", SHIPPED)


def _forms(file: Path, folder: Path) -> tuple[Pattern, ...]:
    content = _content(file)
    if "any_of" not in content:
        return (parse(content, file.stem, str(file)),)
    _keys(content, ("about", "any_of"), str(file))
    names = _texts(content["any_of"], f"{file}: any_of")
    found = []
    for name in names:
        part = folder / f"{name}.yaml"
        if Path(name).name != name or not part.is_file():
            others = [one.stem for one in folder.glob("*.yaml") if one != file]
            raise UserError(f"{file}: any_of: '{name}' is no pattern beside it; {did_you_mean(name, others)}")
        found.append(parse(_content(part), name, str(part)))
    return tuple(found)


def _content(file: Path) -> dict[str, Any]:
    import yaml

    try:
        if file.stat().st_size > _BYTES:
            raise UserError(f"{file}: no pattern: more than {_BYTES} bytes")
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; shipped patterns: {', '.join(shipped())}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{file}: no YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(content, dict):
        raise UserError(f"{file}: no pattern; allowed: a mapping with {', '.join(_KEYS)}")
    return content


def parse(content: Mapping[str, Any], name: str, place: str) -> Pattern:
    """Return the pattern that ``content`` describes; ``place`` is for messages. Raises ``UserError``."""
    _keys(content, tuple(key for key in _KEYS if key != "any_of"), place)
    raw = _mapping(content.get("nodes"), f"{place}: nodes")
    nodes = tuple(_node(key, one, f"{place}: nodes.{key}") for key, one in raw.items())
    read = {ref.name for node in nodes for ref in node.inputs if ref is not None}
    values = _mapping(content.get("values", {}), f"{place}: values")
    pattern = Pattern(
        name=name,
        about=str(content.get("about", "")),
        nodes=nodes,
        values={key: _value(one, f"{place}: values.{key}") for key, one in values.items()},
        outputs=tuple(_texts(content["outputs"], f"{place}: outputs")) if "outputs" in content
        else tuple(node.name for node in nodes if node.name not in read),
        closed=_flag(content.get("closed", True), f"{place}: closed"),
        through=frozenset(_texts(content.get("through", []), f"{place}: through")),
    )  # fmt: skip
    if "rewrite" in content:
        pattern = replace(pattern, rewrite=_rewrite(content["rewrite"], pattern, f"{place}: rewrite"))
    sound.check(pattern, place)
    return pattern


def _node(name: str, raw: Any, place: str) -> PatternNode:
    fields = _mapping(raw, place)
    _keys(fields, _NODE_KEYS, place)
    if "op" not in fields:
        raise UserError(f"{place}: the key op is missing")
    ops = frozenset(_texts(fields["op"], f"{place}.op"))
    attributes = _mapping(fields.get("attributes", {}), f"{place}.attributes")
    return PatternNode(
        name=name,
        ops=ops,
        inputs=tuple(_ref(one, f"{place}.inputs") for one in _texts(fields.get("inputs", []), f"{place}.inputs")),
        optional=_flag(fields.get("optional", False), f"{place}.optional"),
        any_order=_flag(fields.get("any_order", all(family(op) in _COMMUTE for op in ops)), f"{place}.any_order"),
        dtypes=frozenset(_texts(fields.get("dtype", []), f"{place}.dtype")),
        attributes={key: _plain(one, f"{place}.attributes.{key}") for key, one in attributes.items()},
    )


def _ref(text: str, place: str) -> Ref | None:
    name, _, port = text.partition(":")
    if text == "_":
        return None
    if not name.isidentifier() or (port and not port.isdecimal()):
        raise UserError(f"{place}: '{text}' is no value; allowed: a name, name:1 for a second output, _ for any")
    return Ref(name, int(port or 0))


def _value(raw: Any, place: str) -> Value:
    fields = _mapping(raw, place)
    _keys(fields, _VALUE_KEYS, place)
    rank = fields.get("rank")
    return Value(
        constant=_flag(fields["constant"], f"{place}.constant") if "constant" in fields else None,
        dtypes=frozenset(_texts(fields.get("dtype", []), f"{place}.dtype")),
        rank=None if rank is None else int(_number(rank, f"{place}.rank")),
        number=_number(fields["number"], f"{place}.number") if "number" in fields else None,
        tolerance=_number(fields.get("tolerance", 1e-3), f"{place}.tolerance"),
    )


def _rewrite(raw: Any, pattern: Pattern, place: str) -> Rewrite:
    if raw == "remove":
        moving = [name for name in sound.outside(pattern) if not pattern.values.get(name, Value()).constant]
        if len(moving) != 1:
            raise UserError(f"{place}: remove: {len(moving)} values come from outside ({', '.join(moving)}); "
                            "allowed: one that is not constant, else bypass: VALUE")  # fmt: skip
        return Rewrite("bypass", inputs=(moving[0],))
    fields = raw if isinstance(raw, dict) else {}
    if set(fields) == {"bypass"} and isinstance(fields["bypass"], str):
        return Rewrite("bypass", inputs=(fields["bypass"],))
    if set(fields) == {"fuse"}:
        new = _mapping(fields["fuse"], f"{place}.fuse")
        _keys(new, ("inputs", "op"), f"{place}.fuse")
        op = _texts(new.get("op", []), f"{place}.fuse.op")
        if len(op) != 1:
            raise UserError(f"{place}.fuse.op: allowed: one name")
        return Rewrite("fuse", op[0], tuple(_texts(new.get("inputs", []), f"{place}.fuse.inputs")))
    raise UserError(f"{place}: allowed: remove, {{bypass: VALUE}}, or {{fuse: {{op: NAME, inputs: [VALUE, …]}}}}")


def _keys(found: Mapping[str, Any], allowed: Sequence[str], place: str) -> None:
    for key in found:
        if key not in allowed:
            raise UserError(f"{place}: unknown key '{key}'; {did_you_mean(str(key), allowed)}")


def _mapping(raw: Any, place: str) -> dict[str, Any]:
    fits = isinstance(raw, dict) and all(isinstance(key, str) for key in raw)
    found: dict[str, Any] = _of(raw, lambda _: fits, place, "a mapping from names")
    return found


def _texts(raw: Any, place: str) -> list[str]:
    many = [raw] if isinstance(raw, str) else raw
    fits = isinstance(many, list) and all(isinstance(one, str) and one for one in many)
    found: list[str] = _of(many, lambda _: fits, place, "a name or a list of names")
    return found


def _plain(raw: Any, place: str) -> tuple[Hashable, ...]:
    many = raw if isinstance(raw, list) else [raw]
    fits = all(isinstance(one, str | int | float | bool) for one in many)
    return tuple(_of(many, lambda _: fits, place, "a number, a text, true, false, or a list of those"))


def _flag(raw: Any, place: str) -> bool:
    return bool(_of(raw, lambda one: isinstance(one, bool), place, "true or false"))


def _number(raw: Any, place: str) -> float:
    return float(_of(raw, lambda one: isinstance(one, int | float) and not isinstance(one, bool), place, "a number"))


def _of(raw: Any, fits: Callable[[Any], bool], place: str, allowed: str) -> Any:
    if not fits(raw):
        raise UserError(f"{place}: allowed: {allowed}")
    return raw
