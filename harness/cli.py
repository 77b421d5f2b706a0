"""The command line: overrides run, commands look; errors of the user end here, in one line."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from harness.errors import UserError, did_you_mean

COMMANDS = {
    "list": "what can be chosen: list [model|quant|export|runtime|task|…]",
    "report": "tables and page of finished runs: report RUN…",
    "publish": "a run as others can have it, without logs, samples, paths: publish RUN FOLDER",
    "show": "everything known of one cell: show RUN CELL",
    "why": "where the numbers of a cell go wrong, layer by layer: why RUN CELL",
    "profile": "where the time of a cell goes, operator by operator: profile RUN CELL",
    "compare": "two runs held against each other, exit code 1 on regression: compare BASE CAND",
    "history": "what stands out in the newest of many runs, exit code 1 when it does: history RUN…",
    "export-benchmark": "a run as JSON for pytest-benchmark compare and its plots: export-benchmark RUN",
    "graph": "look inside a model file of any format, compare, draw, transform: graph VERB FILE",
    "repro": "run one cell of a run again: repro RUN CELL",
    "cache": "show the cache, or prune it: cache [prune]",
    "toolchain": "older or other sets of packages: toolchain list, toolchain sync NAME",
    "doctor": "versions, CPU flags, load, memory, disk, and what is missing",
}
PLACES = {
    "publish": "publishing",
    "why": "looking",
    "profile": "looking",
    "compare": "comparing",
    "history": "watching",
    "export-benchmark": "benchmarking",
    "graph": "graphing",
    "toolchain": "toolchaining",
}
"""Command → module of this package that has ``<command>_command``; ``commands`` for the others."""
HYDRA_FLAGS = ("-m", "--multirun", "--cfg", "-c", "--info", "-i", "--resolve", "--package", "-p", "--hydra-help",
               "--shell-completion", "-sc", "--experimental-rerun")  # fmt: skip
INTERRUPTED = "interrupted: nothing that was finished is lost; the same command goes on"
INTERRUPTED_CODE = 130
EXAMPLES = """\
examples:
  python -m harness                                            mobilenet_v2 on real digits, every PTQ scheme
  python -m harness model=resnet50 quant=ptq                   one model, the whole family
  python -m harness 'model=[resnet50,mobilenet_v2]' quant=int8 export=tflite
  python -m harness model=all quant=none task=photos measure=quick
  python -m harness model=resnet quant=ptq '~quant.int16x8' quant.int8.per_channel=false
  python -m harness model=custom model.custom.path=my.keras task=photos
  python -m harness -m model=resnet50,densenet121 quant=ptq    Hydra's multirun

exit codes: 0 the sweep ran, 1 a gate said no (fail_on=fails|degraded), 2 a mistake in what was asked"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(args)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return INTERRUPTED_CODE
    except BrokenPipeError:
        sys.stderr.close()
        return 141


def entry() -> NoReturn:
    """Run this process's command line and end the process, in order also when a signal comes at the last moment."""
    with _interruptible():
        code = main()
        if code == INTERRUPTED_CODE:
            # Python gives signals their default meaning back while it closes down: a second Ctrl-C that arrives
            # there would turn the exit code into "killed", so an interrupted process closes down by itself.
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    sys.exit(code)


def _dispatch(args: list[str]) -> int:
    if args and args[0] in ("-h", "--help", "help"):
        print(help_text())
        return 0
    if args and args[0] in COMMANDS:
        return _command(args[0])(args[1:])
    if any(arg.split("=")[0] in HYDRA_FLAGS or arg.startswith("hydra.") for arg in args):
        return _hydra(args)
    for arg in args:
        if "=" not in arg and not arg.startswith("~"):
            raise UserError(f"'{arg}' is neither a command nor an override key=value; "
                            f"{did_you_mean(arg, COMMANDS)}")  # fmt: skip
    return run(args)


def help_text() -> str:
    """Return the one screen of help; reads file names of ``conf/`` only."""
    from harness.paths import conf_dir

    lines = ["usage: python -m harness [key=value …]      run the matrix of these choices",
             "       python -m harness COMMAND …          look at what there is", "", "commands:"]  # fmt: skip
    width = max(map(len, COMMANDS))
    lines += [f"  {name:<{width}} {text}" for name, text in COMMANDS.items()]
    lines += ["", "choices (key=name or 'key=[name,name]'; a set is a name too; +experiment=name):"]
    for group in sorted(p for p in conf_dir().iterdir() if p.is_dir()):
        names = sorted(p.stem for p in group.glob("*.yaml"))
        lines.append(_wrapped(group.name, names))
    lines += ["", "further keys: python -m harness --cfg job", "", EXAMPLES]
    return "\n".join(lines)


def _wrapped(title: str, names: list[str]) -> str:
    import textwrap

    return textwrap.fill(" ".join(names), 110, initial_indent=f"  {title:<9} ", subsequent_indent=" " * 12)


def run(overrides: Sequence[str]) -> int:
    """Compose, run, report; returns the exit code."""
    from harness import config

    return execute(config.compose(overrides))


def execute(composed: object) -> int:
    """Run a composed configuration, print its tables and the path of its folder."""
    from harness import tables, tracking
    from harness.config import Composed
    from harness.runner import schedule
    from harness.runner.pool import cores
    from harness.runner.progress import Progress

    assert isinstance(composed, Composed)
    tables.thresholds(composed.config.verdict)  # a mistake there is told now, not after hours
    tracking.ready(composed.config)
    progress = Progress(slots=min(cores(), 4))
    try:
        done = schedule.run(composed, progress)
    finally:
        progress.close()
    return _conclude(done, composed)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and a polite kill end a command in order; a second one at once (workers die with their parent)."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    for one, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(one, _interrupt)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _interrupt(*_: object) -> NoReturn:
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, _end_at_once)
    raise KeyboardInterrupt


def _end_at_once(*_: object) -> NoReturn:
    os.write(2, f"{INTERRUPTED}\n".encode())
    os._exit(INTERRUPTED_CODE)


def _conclude(done: object, composed: object) -> int:
    from harness import report, tables, tracking
    from harness.config import Composed
    from harness.report import terminal
    from harness.runner.schedule import Run

    assert isinstance(done, Run)
    assert isinstance(composed, Composed)
    out = Path(composed.config.reports_dir) / done.folder.name
    terminal.show([done.folder], verdict=done.verdict)
    pages = report.build([done.folder], out, verdict=done.verdict)
    if line := tracking.track(composed.config, done.folder, done.records, done.verdict):
        print(line, file=sys.stderr)
    for line in done.user_errors:
        print(f"error: {line}", file=sys.stderr)
    print(f"page: {next(p for p in pages if p.suffix == '.html')}")
    print(f"run: {done.folder}")
    if done.user_errors:
        return 2
    bad = {"never": [], "fails": ["fails"], "degraded": ["fails", "degraded"]}[composed.config.fail_on]
    verdicts = tables.load(done.folder, verdict=done.verdict)["verdict"]
    return 1 if verdicts.isin(bad).any() else 0


def _hydra(args: list[str]) -> int:
    """Hand over to Hydra's own command line: multirun, --cfg, --info."""
    import hydra
    from omegaconf import DictConfig, OmegaConf

    from harness import config, config_overrides
    from harness.paths import conf_dir

    words = [arg for arg in args if not arg.startswith("-") and ("=" in arg or arg.startswith("~"))]
    config_overrides.require_choices(words)
    codes: list[int] = []

    def one(cfg: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        chosen = tuple(HydraConfig.get().overrides.task)
        checked = config.check(OmegaConf.to_container(cfg, resolve=True), chosen)
        codes.append(execute(config.Composed(checked, chosen, OmegaConf.to_yaml(cfg))))

    def guarded(cfg: DictConfig) -> None:
        try:
            one(cfg)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            codes.append(2)

    argv, sys.argv = sys.argv, ["harness", *args]
    full = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises its errors instead of printing them over many lines
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(guarded)()
    except config_overrides.composition_errors() as error:
        raise UserError(config_overrides.explain(error, words)) from error
    finally:
        sys.argv = argv
        os.environ.pop("HYDRA_FULL_ERROR") if full is None else os.environ.update(HYDRA_FULL_ERROR=full)
    return max(codes, default=0)


def _command(name: str) -> Callable[[list[str]], int]:
    module = importlib.import_module(f"harness.{PLACES.get(name, 'commands')}")
    found: Callable[[list[str]], int] = getattr(module, f"{name.replace('-', '_')}_command")
    return found


class _Words(argparse.ArgumentParser):
    """A parser whose complaints are errors of the user like all others: one line."""

    def error(self, message: str) -> NoReturn:
        usage = " ".join(self.format_usage().removeprefix("usage: ").split())
        raise UserError(f"{self.prog}: {message}; allowed: {usage}")


def parser(name: str, about: str | None = None) -> argparse.ArgumentParser:
    """Return the argument parser of a command, its help ``about`` or taken from ``COMMANDS``."""
    return _Words(prog=f"harness {name}", description=about or COMMANDS[name])
