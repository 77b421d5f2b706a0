"""The commands list, report, show, repro, cache, doctor: each takes its words and returns an exit code."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.cli import parser
from harness.errors import UserError, did_you_mean
from harness.records import Record


def list_command(args: list[str]) -> int:
    """Print what can be chosen, a line each with what the file's first comment says."""
    from harness.config import choices, groups

    words = parser("list")
    words.add_argument("group", nargs="?", help="one of the config groups")
    group = words.parse_args(args).group
    if group is not None and group not in groups():
        raise UserError(f"list: '{group}' is no group; {did_you_mean(group, groups())}")
    for name in [group] if group else groups():
        print(f"{name}:")
        for choice in choices(name):
            print(f"  {choice:<22} {_about(name, choice)}".rstrip())
    return 0


def _about(group: str, choice: str) -> str:
    """Return what a choice is and its settings in one line, and for exporters and runtimes the format."""
    import yaml

    from harness import plugins
    from harness.paths import conf_dir
    from harness.report.presets import about

    content = yaml.safe_load((conf_dir() / group / f"{choice}.yaml").read_text()) or {}
    if "defaults" in content:
        names = content["defaults"]
        return " ".join(map(_choice, names)) if isinstance(names[0], dict) else "set of " + ", ".join(map(str, names))
    shown = [f"{k}={v}" for k, v in content.items() if isinstance(v, str | int | float | bool) and v != ""]
    if group == "export":
        shown.append(f"writes {plugins.load('exporters', content['method']).FORMAT}")
    if group == "runtime":
        shown.append(f"reads {', '.join(plugins.load('runtimes', content['method']).READS)}")
    if group == "toolchain":
        shown = content["wants"] or ["the environment that harness runs in"]
    words = about(group, choice)
    line = " ".join([f"{words};"] * bool(words) + shown)
    return line if len(line) <= 84 else line[:83] + "…"


def _choice(default: dict[str, Any]) -> str:
    """Return a choice that an experiment makes as one would write it: ``quant=[int8,qat]``."""
    (key, value), *_ = default.items()
    shown = f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)
    return f"{key.removeprefix('override ').removeprefix('/')}={shown}"


def report_command(args: list[str]) -> int:
    """Write the tables and the page of one or more runs."""
    from harness import report
    from harness.report import terminal

    words = parser("report")
    words.add_argument("run", nargs="+", type=Path, help="folder of a run")
    words.add_argument("--out", type=Path, help="folder to write to; default: reports/<run>")
    draw = "draw the graphs of the artifacts as well: of all cells, or of those whose id has this in it"
    words.add_argument("--draw", nargs="?", const="", metavar="CELL", help=draw)
    words.add_argument("--readme", type=Path, help="also put the table into the marked block of this file")
    given = words.parse_args(args)
    runs = [run_folder(run) for run in given.run]
    out = given.out or Path("reports") / "+".join(run.name for run in runs)
    verdict = own_verdict(runs)
    terminal.show(runs, verdict=verdict)
    if given.draw is not None:
        _draw(runs, given.draw, out)
    for path in report.build(runs, out, verdict=verdict):
        print(path)
    if given.readme:
        from harness.report import readme

        readme.update(given.readme, runs, verdict=verdict)
        print(given.readme)
    return 0


def _draw(runs: list[Path], part: str, out: Path) -> None:
    from harness.report import drawings
    from harness.tables import read

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # readers of TensorFlow's formats talk otherwise
    chosen = [record for record in read(*runs).records if part in record.cell.id]
    if not chosen:
        raise UserError(f"--draw {part}: no cell has this in its id; such as {read(*runs).records[0].cell.id}")
    for path in drawings.draw(chosen, out, tell=lambda text: print(text, file=sys.stderr)):
        print(path)


def own_verdict(runs: list[Path]) -> dict[str, Any] | str:
    """Return the thresholds that the runs were composed with, when they agree; else the default ones."""
    import yaml

    found = []
    for run in runs:
        file = run / "config.yaml"
        found.append((yaml.safe_load(file.read_text()) or {}).get("verdict") if file.is_file() else None)
    first = found[0]
    return first if isinstance(first, dict) and all(one == first for one in found) else "default"


def run_folder(given: Path) -> Path:
    """Return the folder of a run given by path or by its name under ``results``. Raises ``UserError``."""
    for folder in (given, Path("results") / given):
        if (folder / "records.jsonl").is_file():
            return folder
    known = [p.parent.name for p in Path("results").glob("*/records.jsonl")]
    hint = did_you_mean(str(given), known) if known else "and none in the folder results"
    raise UserError(f"{given}: no run there (no records.jsonl); {hint}")


def find_cell(run: str, cell: str) -> tuple[Path, Record]:
    """Return a run's folder and the latest record of a cell, whose id may be shortened to what is unique.

    ``task:cell`` is one of several tasks. Raises ``UserError``.
    """
    from harness.tables import read

    folder = run_folder(Path(run))
    every, wanted = list(read(folder).records), cell
    task, _, rest = cell.partition(":")
    if rest and any(record.cell.task == task for record in every):
        every, wanted = [record for record in every if record.cell.task == task], rest.strip()
    records = {record.cell.id: record for record in every}
    hits: list[Record] = []
    for part in (lambda name: name == wanted, lambda name: f"/{wanted}/" in f"/{name}/", lambda name: wanted in name):
        hits = hits or [record for record in every if part(record.cell.id)]
    if len(hits) == 1:
        return folder, hits[0]
    if hits:
        several = len({r.cell.task for r in hits}) > 1
        named = [f"{r.cell.task}:{r.cell.id}" if several else r.cell.id for r in hits[:8]]
        raise UserError(f"cell '{cell}' is not unique: {', '.join(named)}")
    raise UserError(f"cell '{cell}' is not in {folder}; {did_you_mean(cell, records)}")


def show_command(args: list[str]) -> int:
    """Print everything known of one cell."""
    from harness.tables import judge

    words = parser("show")
    words.add_argument("run", help="folder or name of a run")
    words.add_argument("cell", help="model/quant/export/runtime/t1, or a part of it that is unique; TASK: before it")
    words.add_argument("--json", action="store_true", help="the record as it is stored")
    given = words.parse_args(args)
    folder, record = find_cell(given.run, given.cell)
    if given.json:
        print(json.dumps(asdict(record), indent=2))
        return 0
    verdict = judge(record, own_verdict([folder]))
    print(f"{record.cell.id}   {record.status}, {verdict.verdict}" + (f": {verdict.text}" if verdict.text else ""))
    if record.failure:
        _print_block("failure", {k: v for k, v in asdict(record.failure).items() if v not in ("", False)})
    _print_block("values", dict(sorted(record.values.items())))
    _print_block("no value", dict(sorted(record.missing.items())))
    _print_block("details", {k: v for k, v in record.details.items() if k not in ("files", "made_from")})
    _print_block("options", record.options)
    files = {**record.logs, **record.details.get("files", {})}
    _print_block("files", {k: str(folder / v) for k, v in files.items()})
    _print_block("artifact", {"path": record.artifact, "sha256": record.artifact_sha256, "tensors": _tensors(record)})
    _print_block("run", {"run": record.run, "started": record.started_at, "seconds": record.seconds,
                         "fingerprint": record.fingerprint, "reproduce": record.reproduce})  # fmt: skip
    return 0


def _tensors(record: Record) -> str | None:
    """Return where scales, zero points and ranges of a quantized artifact are listed (JSON lies beside the table)."""
    if record.artifact is None:
        return None
    table = Path(record.artifact).with_name("tensors.csv")
    return str(table) if table.is_file() else None


def _print_block(title: str, content: dict[str, Any]) -> None:
    content = {key: value for key, value in content.items() if value is not None}
    if not content:
        return
    print(f"\n{title}")
    width = max(len(str(key)) for key in content)
    for key, value in content.items():
        text = value if isinstance(value, str) else json.dumps(value)
        lines = text.splitlines() or [""]
        short = lines[0] if len(lines[0]) <= 400 else lines[0][:399] + "…"
        print(f"  {key:<{width}}  {short}")
        for line in lines[1:12]:
            print(f"  {'':<{width}}  {line[:200]}")


def repro_command(args: list[str]) -> int:
    """Print the command that runs one cell again, run it, and put old and new side by side."""
    from harness import cli

    words = parser("repro")
    words.add_argument("run", help="folder or name of a run")
    words.add_argument("cell", help="model/quant/export/runtime/t1, or a part of it that is unique; TASK: before it")
    words.add_argument("--print", action="store_true", dest="only_print", help="print the command, do not run it")
    given, more = words.parse_known_args(args)
    _, record = find_cell(given.run, given.cell)
    command = shlex.split(record.reproduce)
    print(shlex.join([*command, *more]))
    if given.only_print:
        return 0
    code = cli.run([*command[3:], *more])
    before = {k: record.values.get(k) for k in ("top1", "agreement", "latency_p50_ms", "size_bytes")}
    print(f"before: {record.status} " + " ".join(f"{k}={v}" for k, v in before.items() if v is not None))
    return code


def cache_command(args: list[str]) -> int:
    """Print what the cache holds; ``prune`` removes what was not used for long, or all."""
    from harness.cache import Cache, default_root

    words = parser("cache")
    words.add_argument("action", nargs="?", choices=["show", "prune"], default="show")
    words.add_argument("--dir", type=Path, default=default_root(), help="folder of the cache")
    words.add_argument("--older-than-days", type=float, help="prune: entries not used for so long")
    words.add_argument("--max-gib", type=float, help="prune: the least recently used until it fits")
    words.add_argument("--kind", help="prune: only one kind")
    words.add_argument("--all", action="store_true", help="prune: everything")
    given = words.parse_args(args)
    cache = Cache(given.dir)
    if given.action == "prune":
        if not (given.all or given.older_than_days is not None or given.max_gib is not None):
            raise UserError("cache prune: say what goes; allowed: --older-than-days N, --max-gib N or --all")
        freed = cache.prune(
            max_bytes=None if given.max_gib is None else int(given.max_gib * 2**30),
            older_than_s=None if given.older_than_days is None else given.older_than_days * 86400,
            kind=given.kind,
            everything=given.all,
        )
        print(f"freed {freed / 2**20:.1f} MiB")
    print(given.dir)
    for usage in cache.usage():
        print(f"  {usage.kind:<10} {usage.entries:>6} entries {usage.bytes / 2**20:>10.1f} MiB")
    return 0


def doctor_command(args: list[str]) -> int:
    """Print what this machine and environment offer and lack; it looks only, so the exit code is 0."""
    from harness import doctor

    parser("doctor").parse_args(args)
    lines = doctor.report()
    width = max(len(line.name) for line in lines)
    for line in lines:
        mark = "ok " if line.ok else "!! "
        print(f"{mark} {line.name:<{width}}  {line.value}" + (f"   ({line.hint})" if line.hint else ""))
    sys.stdout.flush()
    return 0
