"""Oracles are driven by ask and tell; a log of what happened, cut anywhere, is continued as if nothing had."""

from __future__ import annotations

import json
import math
import os
import warnings
from pathlib import Path
from typing import Any, Literal

import pytest
import scipy.optimize
from scripted_search import minimize_quickly

from kbnd.errors import ResumeMismatchError, UsageError
from kbnd.records import SearchEvent
from kbnd.tuning import Choice, Range, Space, space_for
from kbnd.tuning.asker import Asker, Proposal
from kbnd.tuning.oracles import ORACLES, hyperband_rounds

pytestmark = pytest.mark.backend

__test__ = os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"  # nothing is trained: one backend is enough

N_TRIALS = 14
EPOCHS = 9

SENTENCE = r"candidate 9, dropout: stored 0\.1234, asked 0\.\d+; .*--fresh"
SENTENCES = {"grid": r"candidate 9 .* 0\.1234, .* no point of its space now"}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scipy.optimize, "minimize", minimize_quickly)


def space() -> Space:
    return space_for("lenet5", dataset="digits", batch_norm="none", epochs=EPOCHS)


def small() -> Space:
    return space_for("lenet5", dataset="digits", batch_norm="none,before_activation", dropout="0,0.2,0.4", lr="0.1,1")


def score(values: dict[str, Any], epochs: int | None = None) -> float:
    """An accuracy with one optimum, to the last bit the same every time."""
    learning_rate, dropout = values.get("train.learning_rate", 0.1), values.get("model.dropout", 0.2)
    return 0.9 - 0.03 * (math.log10(learning_rate) + 1.5) ** 2 - 0.2 * (dropout - 0.3) ** 2 + 0.001 * (epochs or 0)


def asker(space: Space, oracle: str, direction: Literal["max", "min"] = "max", seed: int = 1) -> Asker:
    return Asker(space, oracle=oracle, direction=direction, seed=seed, max_epochs=EPOCHS)


def events(asker: Asker, *, n_trials: int, n_open: int = 1, sign: int = 1) -> list[SearchEvent]:
    """Drive an oracle with several candidates open; the log, through JSON as a ledger would keep it."""
    log: list[SearchEvent] = []
    opened: list[Proposal] = []

    def write(kind: Literal["ask", "end"], ordinal: int, body: dict[str, Any]) -> None:
        log.append(SearchEvent(len(log) + 1, kind, ordinal, json.loads(json.dumps(body)), "now"))

    while True:
        n_asked = sum(event.kind == "ask" for event in log)
        answer = asker.ask() if n_asked < n_trials and len(opened) < n_open else "stopped"
        if isinstance(answer, Proposal):
            opened.append(answer)
            write("ask", answer.ordinal, {"values": answer.values, "epochs": answer.epochs})
        elif opened:
            ended = opened.pop(len(log) % len(opened))  # not always the first that was opened
            number = sign * score(ended.values, ended.epochs)
            asker.tell(ended.ordinal, number)
            write("end", ended.ordinal, {"told": number})
        else:
            return log


def replayed(log: list[SearchEvent], fresh: Asker) -> Asker:
    for event in log:
        fresh.replay(event)
    return fresh


def follow(log: list[SearchEvent], asker: Asker, *, n_asks: int) -> None:
    """Let an oracle live through the rest of a log: it must ask for what was asked then."""
    for event in log:
        if event.kind == "end":
            asker.tell(event.ordinal, event.body["told"])
        elif n_asks > 0:
            n_asks -= 1
            answer = asker.ask()
            assert isinstance(answer, Proposal)
            assert answer == Proposal(event.ordinal, event.body["values"], event.body["epochs"])
        else:
            return


@pytest.mark.parametrize("n_open", [1, 3])
@pytest.mark.parametrize("direction", ["max", "min"])
@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.usefixtures("quick")
def test_a_log_cut_anywhere_goes_on_as_if_it_had_not_been(oracle: str, direction: Any, n_open: int) -> None:
    sign = 1 if direction == "max" else -1
    log = events(asker(space(), oracle, direction), n_trials=N_TRIALS, n_open=n_open, sign=sign)
    assert sum(event.kind == "ask" for event in log) >= (10 if oracle == "hyperband" else N_TRIALS)
    for cut in range(len(log) + 1):
        # A fit takes a tenth of a second: there the next proposal alone is compared, at every cut.
        n_asks = 1 if oracle == "bayesian" else len(log)
        follow(log[cut:], replayed(log[:cut], asker(space(), oracle, direction)), n_asks=n_asks)


@pytest.mark.usefixtures("quick")
def test_a_bayesian_search_goes_on_to_its_end_behind_a_cut() -> None:
    log = events(asker(space(), "bayesian"), n_trials=N_TRIALS, n_open=2)
    cut = len(log) * 2 // 3
    follow(log[cut:], replayed(log[:cut], asker(space(), "bayesian")), n_asks=N_TRIALS)


def test_the_gaussian_process_learns_and_goes_on_from_a_log() -> None:
    log = events(asker(space(), "bayesian"), n_trials=7)  # six at random, one by the process
    best = max(event.body["told"] for event in log if event.kind == "end")
    assert best > 0.85
    *earlier, last, _ = log
    assert replayed(earlier, asker(space(), "bayesian")).ask().values == last.body["values"]  # type: ignore[union-attr]


@pytest.mark.parametrize("oracle", ["random", "bayesian"])
@pytest.mark.usefixtures("quick")
def test_every_point_of_a_small_space_comes_once_and_then_no_more(oracle: str) -> None:
    log = events(asker(small(), oracle), n_trials=100, n_open=2)
    asked = [tuple(event.body["values"].values()) for event in log if event.kind == "ask"]
    assert len(asked) == len(set(asked)) == small().size == 12
    done = replayed(log, asker(small(), oracle))
    assert (done.ask(), done.ask()) == ("stopped", "stopped")


@pytest.mark.parametrize("oracle", ["random", "grid", "bayesian"])
@pytest.mark.parametrize("optimizers", [("sgd", "adam"), ("adam", "sgd")])
def test_no_two_points_are_one_run_where_a_setting_is_of_one_optimizer(oracle: str, optimizers: Any) -> None:
    varied = {
        "train.learning_rate": Choice(values=(0.01, 0.1)),
        "train.momentum": Choice(values=(0.0, 0.5, 0.9)),
        "train.optimizer": Choice(values=optimizers),
    }
    searched = Space(**{**small().model_dump(), "hyperparameters": varied})
    assert searched.size == 2 * (3 + 1)
    log = events(asker(searched, oracle), n_trials=100)
    asked = [event.body["values"] for event in log if event.kind == "ask"]
    runs = [searched.run_spec(values, seed=1).recipe_id for values in asked]
    assert len(runs) == len(set(runs)) == searched.size
    replayed(log, asker(searched, oracle))


def test_a_grid_is_walked_in_order_however_many_are_open() -> None:
    one, many = (events(asker(small(), "grid"), n_trials=100, n_open=n) for n in (1, 12))
    walks = [[event.body["values"] for event in log if event.kind == "ask"] for log in (one, many)]
    assert walks[0] == walks[1]
    assert [list(values.values()) for values in walks[0]] == [
        [batch_norm, dropout, learning_rate]
        for batch_norm in ("none", "before_activation")
        for dropout in (0.0, 0.2, 0.4)
        for learning_rate in (0.1, 1.0)
    ]
    ranges = events(asker(space(), "grid"), n_trials=1000)
    assert sum(event.kind == "ask" for event in ranges) == space().size == 100


def test_an_oracle_that_waits_says_so_and_is_not_moved_by_it() -> None:
    hyperband = asker(space(), "hyperband")
    log = events(hyperband, n_trials=100)
    sizes = hyperband_rounds(EPOCHS)
    assert [event.body["epochs"] for event in log if event.kind == "ask"] == [e for n, e in sizes for _ in range(n)]
    grid = asker(small(), "grid")
    proposals = [grid.ask() for _ in range(13)]
    assert proposals[-1] == "idle"
    for ordinal in grid.open:
        grid.tell(ordinal, 0.5)
    assert grid.ask() == "stopped"


def test_hyperband_trains_the_best_for_longer() -> None:
    log = events(asker(space(), "hyperband"), n_trials=100)
    asked = [event.body for event in log if event.kind == "ask"]
    first, second = ([body["values"] for body in asked if body["epochs"] == e] for e in (1, 3))
    n_promoted = hyperband_rounds(EPOCHS)[1][0]
    best = sorted(first, key=score, reverse=True)[:n_promoted]
    assert sorted(map(str, best)) == sorted(map(str, second[:n_promoted]))
    assert all(set(body["values"]) == {"model.dropout", "train.learning_rate"} for body in asked)


@pytest.mark.parametrize("epochs", [3, 5, 9, 20, 27])
def test_rounds_of_hyperband_are_known_beforehand(epochs: int) -> None:
    oracle = Asker(space(), oracle="hyperband", direction="max", seed=1, max_epochs=epochs)
    asked = [event.body["epochs"] for event in events(oracle, n_trials=1000) if event.kind == "ask"]
    assert asked == [e for n, e in hyperband_rounds(epochs) for _ in range(n)]


def test_hyperband_draws_a_point_again_in_a_later_bracket_of_a_small_space() -> None:
    log = events(asker(small(), "hyperband"), n_trials=100)
    asked = [event for event in log if event.kind == "ask"]
    assert len(asked) == sum(n for n, _ in hyperband_rounds(EPOCHS))
    with pytest.raises(
        UsageError, match=r"hyperband draws \d+ candidates at once, the space has 4: use the oracle grid"
    ):
        asker(space_for("lenet5", dataset="digits", batch_norm="none", dropout="0,0.5", lr="0.1,1"), "hyperband")


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.usefixtures("quick")
def test_what_is_proposed_is_rounded_and_json_and_nothing_is_written_or_warned(oracle: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log = events(asker(space(), oracle, seed=3), n_trials=8)
    for event in log:
        if event.kind == "ask":
            dropout, learning_rate = event.body["values"]["model.dropout"], event.body["values"]["train.learning_rate"]
            assert (dropout, learning_rate) == (round(dropout, 4), float(f"{learning_rate:.6g}"))
            space().run_spec(event.body["values"], seed=1)
    assert list(tmp_path.iterdir()) == []


def test_values_of_any_kind_come_back_as_they_were_listed() -> None:
    listed = {
        "model.batch_norm_sites": Choice(values=(["conv"], ["conv", "dense"])),
        "model.dropout": Choice(values=(0, 0.5)),
        "train.batch_size": Choice(values=(16, 32)),
        "train.optimizer": Choice(values=("sgd", "adam")),
    }
    varied = space_for("lenet5", dataset="digits", batch_norm="before_activation", lr="0.1", changes=listed)
    for oracle in ("random", "grid"):
        log = events(asker(varied, oracle), n_trials=16)
        for path, choice in listed.items():
            seen = [event.body["values"][path] for event in log if event.kind == "ask"]
            assert {json.dumps(value) for value in seen} == {json.dumps(value) for value in choice.values}
        replayed(log, asker(varied, oracle))


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.usefixtures("quick")
def test_a_log_that_the_oracle_would_not_have_written_is_refused(oracle: str) -> None:
    log = events(asker(space(), oracle), n_trials=9)
    n_asks = [index for index, event in enumerate(log) if event.kind == "ask"]
    values = {**log[n_asks[-1]].body["values"], "model.dropout": 0.1234}
    changed = [*log]
    changed[n_asks[-1]] = SearchEvent(n_asks[-1] + 1, "ask", 9, {**log[n_asks[-1]].body, "values": values}, "now")
    with pytest.raises(ResumeMismatchError, match=SENTENCES.get(oracle, SENTENCE)):
        replayed(changed, asker(space(), oracle)).ask()
    with pytest.raises(ResumeMismatchError, match="holds candidate 2 where 1 is next"):
        replayed(log[n_asks[1] :], asker(space(), oracle))
    other = Space(**{**space().model_dump(), "hyperparameters": {"train.momentum": Range(min=0, max=0.9)}})
    with pytest.raises(ResumeMismatchError, match="which is no point of its space now"):
        replayed(log, asker(other, oracle))


def test_another_seed_asks_for_something_else() -> None:
    one, other = (asker(space(), "random", seed=seed).ask() for seed in (1, 2))
    assert one != other
    log = events(asker(space(), "random", seed=1), n_trials=3)
    with pytest.raises(ResumeMismatchError, match="candidate 1, dropout: stored"):
        replayed(log, asker(space(), "random", seed=2))


def test_scores_are_finite_numbers_of_open_candidates() -> None:
    random = asker(space(), "random")
    random.ask()
    for bad in (math.nan, math.inf, None, True):
        with pytest.raises(UsageError, match="should be a finite number"):
            random.tell(1, bad)  # type: ignore[arg-type]
    random.tell(1, 0.5)
    with pytest.raises(UsageError, match="candidate 1 is not open: open are none"):
        random.tell(1, 0.5)


def test_every_oracle_of_the_table_has_its_class() -> None:
    from kbnd.tuning.keras_oracles import KINDS

    assert list(KINDS) == list(ORACLES)
