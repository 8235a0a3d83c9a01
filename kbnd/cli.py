"""The command line: parse, call one library function, print. Results go to stdout, progress to stderr.

Every import of kbnd's own parts stands inside its command, so that `kbnd --help` answers at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from kbnd.errors import SOME_RUNS_FAILED, KbndError, UsageError

SETTINGS: dict[str, Any] = {"no_args_is_help": True, "add_completion": False, "pretty_exceptions_enable": False}

app = typer.Typer(help="Batch Normalization and Dropout in CNNs: paired seeds, intervals, an honest clock.", **SETTINGS)
data_app = typer.Typer(help="Datasets: list, prepare, verify.", **SETTINGS)
ledger_app = typer.Typer(help="The ledger of runs: list, show, export, import, verify.", **SETTINGS)
app.add_typer(data_app, name="data")
app.add_typer(ledger_app, name="ledger")

LedgerFile = Annotated[Path, typer.Option("--ledger", envvar="KBND_LEDGER", help="Ledger file; made where it is missing.")]
LedgerArgument = Annotated[Path, typer.Argument(envvar="KBND_LEDGER", help="Ledger file.")]
Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON.")]
BackendName = Annotated[str | None, typer.Option("--backend", help="tensorflow, jax or torch; default: Keras' own setting.")]
Seeds = Annotated[int | None, typer.Option("--seeds", help="Number of paired seeds, 1...N.")]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Passes over the training images.")]
Executor = Annotated[str, typer.Option("--executor", help="How runs are executed: inline.")]
CheckpointEvery = Annotated[int, typer.Option(min=1, help="Epochs between checkpoints.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Train failed runs again.")]

DEFAULT_LEDGER = Path("kbnd.sqlite")


def main(argv: list[str] | None = None) -> None:
    """Run the `kbnd` command and end the process with its exit code."""
    _guarded(lambda: app(args=argv, prog_name="kbnd"))


def study_main(name: str, module_file: str) -> None:
    """Run the study beside a module of `studies`: `python -m studies.NAME` is `kbnd study NAME.toml`."""
    command = typer.main.get_command(app).commands["study"]  # type: ignore[attr-defined]
    file = Path(module_file).with_name(f"{name}.toml")
    command.params = [param for param in command.params if param.name != "file"]
    inner = command.callback
    command.callback = lambda **options: inner(file=file, **options)
    _guarded(lambda: command.main(prog_name=f"python -m studies.{name}"))


@app.command("study")
def _study(
    file: Annotated[Path, typer.Argument(help="The study's TOML file.")],
    dataset: Annotated[str | None, typer.Option(help="Another dataset than the study's.")] = None,
    seeds: Seeds = None,
    epochs: Epochs = None,
    arms: Annotated[str | None, typer.Option(help="Arms to train beside the baseline, separated by commas.")] = None,
    backend: BackendName = None,
    preset: Annotated[str, typer.Option(help="faithful (the report's budget), scaled or smoke.")] = "faithful",
    executor: Executor = "inline",
    ledger: LedgerFile = DEFAULT_LEDGER,
    out: Annotated[Path | None, typer.Option(help="Folder for tables and figures; default results/EXPERIMENT.")] = None,
    as_json: Json = False,
    checkpoint_every: CheckpointEvery = 1,
    retry_failed: RetryFailed = False,
    retime: Annotated[int, typer.Option(min=0, help="Train every run this many times more, for its time alone.")] = 0,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for runs of other live processes.")] = True,
) -> None:
    """Run a study: train what the ledger does not hold yet, then print and write its tables."""
    from kbnd.report.outputs import check_writable
    from kbnd.study import outputs
    from kbnd.study.definition import Choices, decide, read
    from kbnd.study.runner import Settings, label, run

    study = read(file)
    chosen = tuple(name.strip() for name in arms.split(",")) if arms else None
    experiment = decide(study, Choices(preset=preset, dataset=dataset, seeds=seeds, epochs=epochs, arms=chosen))
    settings = Settings(
        ledger=ledger, backend=backend, executor=executor, control=study.control, checkpoint_every=checkpoint_every,
        retry_failed=retry_failed, retime=retime, wait=wait,
    )  # fmt: skip
    out = out or Path("results") / label(experiment, settings)
    check_writable(out)
    outcome, stopped = _with_progress(lambda **told: run(experiment, settings, **told))
    report = outputs.make(study, experiment, outcome, ledger=ledger)
    outputs.write(report, out)
    _show(outputs.as_json(report) if as_json else report.tables)
    print(f"written to {out}", file=sys.stderr)
    _end(stopped or (SOME_RUNS_FAILED if report.n_bad else 0))


@app.command("train")
def _train(
    model: Annotated[str, typer.Option(help="Network, such as lenet5.")] = "lenet5",
    dataset: Annotated[str, typer.Option(help="Dataset.")] = "digits",
    batch_norm: Annotated[str, typer.Option(help="none, before_activation, after_activation or before_weight.")] = "none",
    dropout: Annotated[float, typer.Option(help="Rate in [0, 1) at the network's dropout sites.")] = 0.0,
    batch_norm_sites: Annotated[str | None, typer.Option(help="Kinds or units with BN, separated by commas.")] = None,
    dropout_sites: Annotated[str | None, typer.Option(help="Kinds or units with dropout, separated by commas.")] = None,
    optimizer: Annotated[str, typer.Option(help="sgd or adam.")] = "sgd",
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 0.05,
    momentum: Annotated[float, typer.Option(help="Momentum of SGD.")] = 0.0,
    batch_size: Annotated[int | None, typer.Option(help="Images per step; default 128 (digits: 32).")] = None,
    epochs: Epochs = None,
    seed: Annotated[int, typer.Option(help="Positive whole number.")] = 1,
    replicate: Annotated[int, typer.Option(help="Above 0: train the same run once more, for its time.")] = 0,
    n_train: Annotated[int | None, typer.Option(help="Train on so many images only.")] = None,
    backend: BackendName = None,
    ledger: LedgerFile = DEFAULT_LEDGER,
    save_weights: Annotated[Path | None, typer.Option(help="Write the final weights to this .npz file.")] = None,
    as_json: Json = False,
    checkpoint_every: CheckpointEvery = 1,
    retry_failed: RetryFailed = False,
) -> None:
    """Train one network once, through the ledger, and print its result."""
    from kbnd import data, models
    from kbnd.report import overview
    from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec
    from kbnd.study.runner import Settings, run_one

    chosen = {"batch_size": batch_size, "epochs": epochs}
    budget = {**data.training_defaults(dataset), **{k: v for k, v in chosen.items() if v is not None}}
    spec = RunSpec(
        model=ModelSpec(
            name=model, batch_norm=batch_norm, dropout=dropout,
            batch_norm_sites=_names(batch_norm_sites), dropout_sites=_names(dropout_sites),
        ),
        data=data.resolve(DataSpec(name=dataset, n_train=n_train)),
        train=TrainSpec(optimizer=optimizer, learning_rate=lr, momentum=momentum, **budget),
        seed=seed,
        replicate=replicate,
    )  # fmt: skip
    models.check(spec.model)
    settings = Settings(
        ledger=ledger, backend=backend, checkpoint_every=checkpoint_every, retry_failed=retry_failed,
        weights=save_weights,
    )  # fmt: skip
    outcome, stopped = _with_progress(lambda **told: run_one(spec, settings, **told))
    record = overview.stored_run(ledger, outcome.runs[0].run_id)
    _show(overview.run_as_json(record) if as_json else [overview.run_table(record)])
    _end(stopped or (SOME_RUNS_FAILED if record.status != "done" else 0))


@app.command("compare")
def _compare(
    ledger: LedgerArgument = DEFAULT_LEDGER,
    study: Annotated[str | None, typer.Option(help="Experiment in the ledger; needed where it holds several.")] = None,
    baseline: Annotated[str | None, typer.Option(help="Arm the others are compared with; default `baseline`.")] = None,
    as_json: Json = False,
) -> None:
    """Compare the arms of an experiment: mean, 95 % interval, paired difference and its interval, n."""
    from kbnd.report import overview

    result = overview.compare_ledger(ledger, study=study, baseline=baseline)
    _show(overview.as_json(result) if as_json else result.tables)


@app.command("doctor")
def _doctor(ledger: LedgerFile = DEFAULT_LEDGER, as_json: Json = False) -> None:
    """Show versions, backends, devices, data found and the ledger's state."""
    from kbnd import doctor

    found = doctor.examine(ledger)
    _show(found if as_json else doctor.tables(found))


@data_app.command("list")
def _data_list(as_json: Json = False) -> None:
    """List the datasets: bundled, cached, prepared or missing."""
    from kbnd.doctor import data_rows, data_table

    _show(data_rows() if as_json else [data_table()])


@data_app.command("prepare")
def _data_prepare(
    name: Annotated[str, typer.Argument(help="Dataset, such as mnist, or folder:PATH.")],
    force: Annotated[bool, typer.Option("--force", help="Decode it again, over a cached copy.")] = False,
) -> None:
    """Decode a dataset into the cache (downloads where tensorflow-datasets needs to)."""
    from kbnd import data

    print(data.prepare(name, force=force))


@data_app.command("verify")
def _data_verify(name: Annotated[str, typer.Argument(help="Dataset.")]) -> None:
    """Check a cached dataset against its fingerprint."""
    from kbnd import data

    print(f"{name}: sound, fingerprint {data.verify(name)}")


@ledger_app.command("list")
def _ledger_list(
    ledger: LedgerArgument = DEFAULT_LEDGER,
    study: Annotated[str | None, typer.Option(help="Only the runs of this experiment.")] = None,
    as_json: Json = False,
) -> None:
    """List the runs of a ledger."""
    from kbnd.report import overview

    runs = overview.stored_runs(ledger, study=study)
    _show(overview.as_rows(runs) if as_json else [overview.runs_table(runs, ledger)])


@ledger_app.command("show")
def _ledger_show(
    run_id: Annotated[str, typer.Argument(help="Run, as `kbnd ledger list` shows it; its first characters will do.")],
    ledger: LedgerFile = DEFAULT_LEDGER,
    as_json: Json = False,
) -> None:
    """Show one run whole: its result, epochs and spec."""
    from kbnd.report import overview

    record = overview.stored_run(ledger, run_id)
    _show(overview.run_as_json(record) if as_json else [overview.run_table(record)])


@ledger_app.command("export")
def _ledger_export(
    target: Annotated[Path, typer.Argument(help="File (jsonl) or folder (csv, parquet) to write.")],
    ledger: LedgerFile = DEFAULT_LEDGER,
    format: Annotated[str, typer.Option("--format", help="jsonl (can be imported again), csv or parquet.")] = "jsonl",
    study: Annotated[str | None, typer.Option(help="Only this experiment; not for jsonl.")] = None,
) -> None:
    """Write the runs of a ledger for other programs."""
    from kbnd.ledger import Ledger

    with Ledger.open(ledger, create=False, read_only=True) as opened:
        for file in opened.export(target, format, study=study):  # type: ignore[arg-type]
            print(file)


@ledger_app.command("import")
def _ledger_import(
    source: Annotated[Path, typer.Argument(help="Another ledger, or JSON lines exported from one.")],
    ledger: LedgerFile = DEFAULT_LEDGER,
) -> None:
    """Merge the runs of another ledger; a run with two different results is refused and both are shown."""
    from kbnd.ledger import Ledger

    with Ledger.open(ledger) as opened:
        print(opened.import_(source))


@ledger_app.command("verify")
def _ledger_verify(ledger: LedgerArgument = DEFAULT_LEDGER) -> None:
    """Check a ledger: SQLite's own checks, counts, ranges, digests; exit 1 where something is wrong."""
    from kbnd.ledger import Ledger

    with Ledger.open(ledger, create=False, read_only=True) as opened:
        problems = opened.verify()
    for problem in problems:
        print(problem)
    print("sound" if not problems else f"{len(problems)} problems", file=sys.stderr)
    _end(1 if problems else 0)


def _show(result: Any) -> None:
    """Print tables for a person, anything else as JSON."""
    from kbnd.report.render import Table
    from kbnd.report.terminal import print_tables

    if isinstance(result, list) and result and all(isinstance(part, Table) for part in result):
        print_tables(result)
    else:
        print(json.dumps(result, allow_nan=False))


def _names(text: str | None) -> tuple[str, ...] | None:
    return tuple(name.strip() for name in text.split(",")) if text else None


def _with_progress(call: Callable[..., Any]) -> tuple[Any, int]:
    """Run with progress on stderr; return the outcome and 130 or 143 where a signal stopped it."""
    from kbnd.report.progress import StudyProgress

    received: list[int] = []
    progress = StudyProgress()
    previous = {number: signal.signal(number, _stopper(received)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        outcome = call(progress=progress, should_stop=lambda: bool(received))
    finally:
        progress.close()
        for number, handler in previous.items():
            signal.signal(number, handler)
    return outcome, 128 + received[0] if received else 0


def _stopper(received: list[int]) -> Callable[[int, Any], None]:
    """Return a handler: the first signal lets the epoch in flight end, a second one stops at once."""

    def handle(number: int, _frame: Any) -> None:
        if received:
            print("stopped at once; the same command continues", file=sys.stderr)
            os._exit(128 + number)
        received.append(number)
        print("stopping after this epoch; once more stops at once", file=sys.stderr)

    return handle


def _guarded(call: Callable[[], Any]) -> None:
    """Run a command; kbnd's own errors become one sentence on stderr and their exit code."""
    try:
        call()
    except KbndError as error:
        print(f"kbnd: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _end(exit_code: int) -> None:
    raise typer.Exit(exit_code)
