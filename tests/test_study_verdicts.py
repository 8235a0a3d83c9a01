"""Claims of a study judged from runs of known truth: numbers, words, and what would decide the undecided."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic_runs import make_runs

from kbnd.study.claims import Claim
from kbnd.study.contrasts import contrasted
from kbnd.study.needed import needed
from kbnd.study.rules import Test
from kbnd.study.verdicts import verdicts

ARMS = ("baseline", "bn", "dropout0.5", "bn+dropout0.5")
ACCURACY = {"baseline": 0.98, "bn": 0.988, "dropout0.5": 0.98, "bn+dropout0.5": 0.9886}
EPOCH_S = {"baseline": 5.0, "bn": 8.0, "dropout0.5": 5.0, "bn+dropout0.5": 8.1}


def runs(seeds: int = 20, **options: object) -> pd.DataFrame:
    return make_runs(seeds=seeds, arms=ARMS, accuracy=ACCURACY, epoch_s=EPOCH_S, sd=0.001, **options)  # type: ignore[arg-type]


def claim(id: str, *tests: dict[str, object]) -> Claim:
    return Claim(id=id, statement="something", tests=tuple(Test(**test) for test in tests))  # type: ignore[arg-type]


def against(arm: str, other: str, rule: str, margin: float = 0.0, metric: str = "test_accuracy") -> dict[str, object]:
    return {"metric": metric, "contrast": {arm: 1, other: -1}, "rule": rule, "margin": margin}


BETTER = claim("better", against("bn", "baseline", "superiority", 0.001))
WORSE = claim("worse", against("baseline", "bn", "superiority", 0.001))
SAME = claim("same", against("dropout0.5", "baseline", "equivalence", 0.002))
SLOWER = claim("slower", against("bn", "baseline", "time", 0.05, "epoch_s"))
AS_FAST = claim("as-fast", against("dropout0.5", "baseline", "time_equivalence", 0.05, "epoch_s"))
INTERACTION = {"bn+dropout0.5": 1, "bn": -1, "dropout0.5": -1, "baseline": 1}


def words(claims: list[Claim], frame: pd.DataFrame) -> dict[str, str]:
    return {each.claim.id: each.decision.in_words() for each in verdicts(claims, frame, baseline="baseline")}


def test_what_is_true_is_found_with_twenty_seeds() -> None:
    assert words([BETTER, WORSE, SAME, SLOWER, AS_FAST], runs()) == {
        "better": "SUPPORTED",
        "worse": "CONTRADICTED",
        "same": "SUPPORTED",
        "slower": "SUPPORTED",
        "as-fast": "SUPPORTED",
    }


def test_differences_are_weighted_sums_of_the_same_seed() -> None:
    frame = runs(4)
    test = Test(metric="test_accuracy", contrast=INTERACTION, rule="superiority")
    value = frame[frame["replicate"] == 0].pivot(index="seed", columns="arm", values="test_accuracy")
    expected = value["bn+dropout0.5"] - value["bn"] - value["dropout0.5"] + value["baseline"]
    assert contrasted(test, frame).numbers.d == pytest.approx(expected.to_numpy())
    assert contrasted(test, frame).seeds == (1, 2, 3, 4)


def test_a_time_is_held_against_the_mean_of_both_runs_of_the_baseline() -> None:
    frame = runs(4)
    log = np.log(frame.set_index(["block", "arm", "replicate"])["epoch_s"])
    expected = [log[b, "bn", 0] - (log[b, "baseline", 0] + log[b, "baseline", 1]) / 2 for b in (1, 2, 3, 4)]
    found = contrasted(SLOWER.tests[0], frame)
    assert found.numbers.d == pytest.approx(expected)
    assert found.numbers.margin == pytest.approx(np.log(1.05))


def test_a_seed_without_one_arm_is_left_out_and_counted() -> None:
    frame = runs(5)
    is_lost = (frame["arm"] == "bn") & (frame["seed"] == 2)
    frame.loc[is_lost, "status"] = "diverged"
    found = contrasted(BETTER.tests[0], frame)
    assert (found.seeds, found.n_left_out, found.n_diverged) == ((1, 3, 4, 5), 1, {"bn": 1})


def test_a_diverged_run_never_gets_there() -> None:
    test = Test(metric="epochs_to_0.97", contrast={"baseline": 1, "bn": -1}, rule="ranks")
    frame = runs(6).assign(**{"epochs_to_0.97": 2.5})
    frame.loc[frame["arm"] == "baseline", "epochs_to_0.97"] = 6.0  # of 5 epochs: not reached
    frame.loc[(frame["arm"] == "bn") & (frame["seed"] == 3), ["status", "epochs_to_0.97"]] = ["diverged", np.nan]
    found = contrasted(test, frame)
    assert found.numbers.d.tolist() == [3.5, 3.5, 0.0, 3.5, 3.5, 3.5]
    assert found.n_censored == {"baseline": 6}


def test_no_time_is_judged_beside_a_control_that_differs_from_itself_or_is_not_there() -> None:
    biased = runs()
    biased.loc[biased["replicate"] == 1, "epoch_s"] *= 1.2
    for frame, why in ((biased, "differs from itself"), (runs(control=False), "no A/A control")):
        (verdict,) = verdicts([SLOWER], frame, baseline="baseline")
        assert verdict.decision.word == "UNDECIDED"
        assert why in verdict.tests[0].why_not


def test_a_difference_of_times_lies_beyond_the_control() -> None:
    """A control that cannot tell 4 % from nothing: an arm that is 3 % slower is not called so, however sure that is."""
    frame = runs(20, noise=0.001, drift=0.0)
    second = (frame["arm"] == "baseline") & (frame["replicate"] == 1)
    frame.loc[second, "epoch_s"] *= np.where(frame.loc[second, "seed"] % 2 == 0, 1.08, 1 / 1.08)
    frame.loc[frame["arm"] == "bn", "epoch_s"] *= 1.03 * 5 / 8
    (verdict,) = verdicts([claim("any", against("bn", "baseline", "time", 0.0, "epoch_s"))], frame, baseline="baseline")
    assert verdict.decision.word == "UNDECIDED"
    assert verdict.tests[0].evidence.interval.low > 0


def test_on_new_images_a_difference_is_less_sure() -> None:
    """200 images of which a tenth suits one arm: with every seed alike, and with other images another answer."""
    frame, rng = runs(10), np.random.default_rng(1)
    taste = rng.random(200)
    right = {
        row["run_id"]: (taste > 0.05) if row["arm"] == "bn" else (taste < 0.97) & (rng.random(200) < 0.999)
        for row in frame.to_dict("records")
    }
    for arm in ("bn", "baseline"):
        for row in frame[frame["arm"] == arm].to_dict("records"):
            frame.loc[frame["run_id"] == row["run_id"], "test_accuracy"] = right[row["run_id"]].mean()
    (verdict,) = verdicts([WORSE], frame, baseline="baseline", correctness=right.get)
    evidence = verdict.tests[0].evidence
    assert evidence.on_these_images.estimate == pytest.approx(evidence.interval.estimate)
    these, new = (interval.high - interval.low for interval in (evidence.on_these_images, evidence.interval))
    assert new > 5 * these
    assert verdict.tests[0].decision.word == "UNDECIDED"


def test_what_is_undecided_says_how_many_seeds_would_decide_and_with_them_it_is_decided() -> None:
    small = claim("small", against("bn+dropout0.5", "bn", "superiority", 0.0003))
    frame = runs(6).assign(wall_s=36.0)
    (verdict,) = verdicts([small], frame, baseline="baseline")
    found = needed(verdict, frame, n_tests=1)
    assert verdict.decision.word == "UNDECIDED"
    assert found is not None
    assert found.seeds is not None
    assert found.hours == pytest.approx(2 * 36 * (found.seeds - 6) / 3600)
    decided = [words([small], runs(found.seeds, rng=i))["small"] != "UNDECIDED" for i in range(40)]
    assert np.mean(decided) > 0.6


def test_what_is_decided_needs_nothing() -> None:
    frame = runs()
    (verdict,) = verdicts([BETTER], frame, baseline="baseline")
    assert needed(verdict, frame.assign(wall_s=1.0), n_tests=1) is None
