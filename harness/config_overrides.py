"""What was written as ``key=value``: looked at before Hydra sees it, and explained when Hydra cannot compose it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.errors import UserError, did_you_mean
from harness.paths import conf_dir

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

MATRIX = ("model", "quant", "export", "runtime", "toolchain")
"""Groups of which several may be chosen."""
_FORMS = "key=value, 'key=[a,b]', '~key'"
_SHOWN = 300
"""Characters of a message of Hydra's that nothing better is known to say about."""


def choices(group: str) -> list[str]:
    """Return the names that a config group offers: ``choices("model")``."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def groups() -> list[str]:
    """Return the names of the config groups."""
    return sorted(path.name for path in conf_dir().iterdir() if path.is_dir())


def require_choices(overrides: Sequence[str]) -> None:
    """Raise ``UserError`` for what Hydra stumbles over or takes in silence: no key, no name, two of one task."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except composition_errors() as error:
        raise UserError(explain(error, overrides)) from error
    for override in parsed:
        if not override.key_or_group:
            raise UserError(f"override '{override.input_line}' has no key; allowed: {_FORMS}")
        if override.key_or_group in groups():
            place = f" (override '{override.input_line}')"
            for value in _values(override):
                _require_choice(override.key_or_group, value, place, removal=override.is_delete())


def _values(override: Override) -> list[object]:
    """Return what is chosen: one value, or those of a sweep as far as they are written out."""
    from hydra.core.override_parser.types import ChoiceSweep

    value = override.value()
    if isinstance(value, ChoiceSweep):
        return [getattr(one, "text", one) for one in value.list]
    return [] if override.is_sweep_override() else [value]


def _require_choice(group: str, value: object, place: str, *, removal: bool) -> None:
    if removal:
        removed = f", '~{group}.<name>'" if group in MATRIX else ""
        raise UserError(f"{group}: cannot be removed{place}; allowed: {group}=…{removed}")
    if isinstance(value, list) and group not in MATRIX:
        raise UserError(f"{group}: one choice a run{place}; allowed: one of {', '.join(choices(group))}, "
                        f"or -m {group}=a,b for a run each")  # fmt: skip
    for name in value if isinstance(value, list) else [value]:
        if not isinstance(name, str):
            raise UserError(f"{group}: {name!r} is no name{place}; allowed: {', '.join(choices(group))}")


def origin(key: str, overrides: Sequence[str]) -> str:
    """Return " (override '…')" or " (conf/….yaml)" for a key, as far as it can be told."""
    for override in reversed(overrides):
        name = override.lstrip("+~").split("=", 1)[0].replace("@", ".")
        if key == name or key.startswith(name + ".") or name.startswith(key + "."):
            return f" (override '{override}')"
    parts = key.split(".")
    if len(parts) > 1 and (conf_dir() / parts[0] / f"{parts[1]}.yaml").is_file():
        return f" (conf/{parts[0]}/{parts[1]}.yaml)"
    return ""


def composition_errors() -> tuple[type[Exception], ...]:
    """Return what Hydra and OmegaConf raise for a mistake in an override."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return HydraException, OmegaConfBaseException


def explain(error: Exception, overrides: Sequence[str]) -> str:
    """Turn an error of Hydra's into one line with a hint."""
    return " ".join(_explained(error, " ".join(str(error).split()), overrides).split())


def _explained(error: Exception, text: str, overrides: Sequence[str]) -> str:
    if isinstance(broken := getattr(error, "override", None), str):
        why = text.split(" See http", maxsplit=1)[0]
        return f"override '{broken}' cannot be read: {why}; allowed: {_FORMS}"
    found = re.search(r"Could not (?:find|load) '?([\w/]+)/([\w.\-]*)'?", text)
    if found and (conf_dir() / found[1]).is_dir():
        group, name = found[1], found[2]
        return f"{group}: '{name}' does not exist; {did_you_mean(name, choices(group))}"
    found = re.search(r"Could not override '([^']+)'\. No match in the defaults list", text)
    if found and found[1] in groups():
        return (
            f"{found[1]}: is not part of every run; allowed: '+{found[1]}=…' with one of {', '.join(choices(found[1]))}"
        )
    found = re.search(r"Could not (?:override|delete from config\.) '([^']+)'", text)
    if found:
        return _explain_key(found[1], overrides)
    if "issing mandatory value" in text:
        key = getattr(error, "full_key", None) or "a key"
        return f"{key}: needs a value: {key}=…"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _explain_key(key: str, overrides: Sequence[str]) -> str:
    """Return the line for an override of a key that is not there, with its neighbours."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    path = key.split("@", 1)[0].split(".")
    kept = [o for o in overrides if "." not in o.split("=", 1)[0] and not o.startswith(path[0] + "=x")]
    kept = [o for o in kept if o.split("=", 1)[0].lstrip("+~") in groups()]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        plain = OmegaConf.to_container(hydra_compose("config", overrides=kept), resolve=False)
    for depth, part in enumerate(path):
        if not isinstance(plain, dict):
            return f"{key}: '{'.'.join(path[:depth])}' is not a mapping{origin(key, overrides)}"
        if part not in plain:
            place = f" under '{'.'.join(path[:depth])}'" if depth else ""
            return f"{key}: no key '{part}'{place}{origin(key, overrides)}; {did_you_mean(part, map(str, plain))}"
        plain = plain[part]
    return f"{key}: cannot be set{origin(key, overrides)}"
