"""Numbers and names beyond anything that is meant: one sentence with the limit, before anything is made of them."""

from __future__ import annotations

from typing import Any

import pytest
from study_files import GROUPED, grouped

from kbnd.cli.options import height_width
from kbnd.cost.images import MOST_PARAMETERS, check_size
from kbnd.errors import UsageError, unknown
from kbnd.execution.executors import MOST_PLACES, executor
from kbnd.execution.runs import MOST_RUNS
from kbnd.execution.settings import Settings
from kbnd.models import check
from kbnd.models.residual import MOST_DEPTH
from kbnd.spec import DataSpec, Identity, ModelSpec, TrainSpec
from kbnd.study.choices import Choices, decide
from kbnd.study.definition import MOST_TABLES
from kbnd.study.plan import plan
from kbnd.tuning import Choice, Range, space_for
from kbnd.tuning.parameters import MOST_VALUES
from kbnd.tuning.tune import new_job

HERE = Identity("tensorflow", "2.21", "3.15", "cpu", "0" * 64)
HUGE = "x" * 1_000_000


@pytest.mark.parametrize(
    ("seeds", "retime", "counts"),
    [
        (3_000_000, 0, "3 arms and the A/A control with 3,000,000 seeds are 12,000,000"),
        (2**63 - 1, 0, "with 9,223,372,036,854,775,807 seeds are"),
        (10, 10**9, "with 10 seeds, 1,000,000,000 times more are"),
    ],
)
def test_a_plan_of_too_many_runs_is_refused_before_any_is_made(seeds: int, retime: int, counts: str) -> None:
    experiment = decide(grouped(arms=GROUPED["arms"][:3]), Choices(seeds=seeds, arms=("all",)))
    with pytest.raises(UsageError, match=rf"{counts}.* runs, a plan has at most 100,000: ask for fewer seeds or arms$"):
        plan(experiment, identity=HERE, retime=retime)


def test_a_large_plan_is_made() -> None:
    seeds = 1_000
    assert len(plan(decide(grouped(), Choices(seeds=seeds)), identity=HERE)) == 3 * seeds < MOST_RUNS


@pytest.mark.parametrize("field", ["arms", "claims", "tables", "presets"])
def test_a_study_has_no_more_tables_than_anybody_writes(field: str) -> None:
    names = [f"a{i}" for i in range(MOST_TABLES + 1)]
    many: Any = {name: {} for name in names} if field == "presets" else [{"name": name} for name in names]
    with pytest.raises(UsageError, match=f"^{field} should be at most 1,000, received 1,001$"):
        grouped(**{field: many})


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: grouped(title=HUGE), "title should have at most 1000 characters"),
        (lambda: grouped(baseline=HUGE), "baseline should be 1 to 64 letters"),
        (lambda: grouped(**{HUGE: 1}), "unknown field 'x"),
        (lambda: grouped(arms=[{"name": HUGE}]), "arm 'x"),
        (lambda: decide(grouped(), Choices(arms=(HUGE,))), "unknown arm or group 'x"),
        (lambda: check(ModelSpec(name="lenet5", dropout=0.5, dropout_sites=["x" * 64])), "unknown site of lenet5"),
        (lambda: executor(f"processes:{'9' * 5_000}"), f"a whole number from 1 to {MOST_PLACES:,}"),
        (lambda: executor(f"processes:{MOST_PLACES + 1}"), "a whole number from 1 to 1,000"),
        (lambda: height_width(f"{'9' * 5_000}x28"), "an image size reads HEIGHTxWIDTH"),
    ],
)
def test_a_sentence_repeats_no_huge_text(make: Any, sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        make()
    assert sentence in str(error.value)
    assert len(str(error.value)) < 600


def test_an_unknown_name_is_repeated_and_guessed_by_its_beginning() -> None:
    assert str(unknown("model", "lenet" + HUGE, ["lenet5"])).startswith("unknown model 'lenetxxx")
    assert "did you mean 'lenet5'" in str(unknown("model", "lenet", ["lenet5"]))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: TrainSpec(epochs=10**12), "epochs should be less than or equal to 1000000"),
        (lambda: DataSpec(image_size=(100_000, 28)), "image_size.0 should be less than or equal to 4096"),
        (
            lambda: check(ModelSpec(name="resnet", options={"depth": 100_002})),
            f"depth should be at most {MOST_DEPTH:,}",
        ),
        (lambda: check(ModelSpec(name="alexnet", options={"head": [1] * 101})), "head should have at most 100 layers"),
    ],
)
def test_a_field_has_a_largest_value(make: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        make()


@pytest.mark.parametrize(
    "options",
    [{"width": 1e9}, {"head": [10**9]}, {"head": [100_000, 100_000]}, {"width": 300, "head": [4_096]}],
    ids=str,
)
def test_a_network_that_no_machine_holds_is_refused_with_its_size(options: dict[str, Any]) -> None:
    spec = ModelSpec(name="alexnet", options=options)
    check(spec)
    sentence = rf"alexnet of 32x32 images would have [\d,]+ parameters, more than the {MOST_PARAMETERS:,}"
    with pytest.raises(UsageError, match=sentence):
        check_size(spec, DataSpec(name="cifar10"))
    with pytest.raises(UsageError, match=sentence):
        space_for("alexnet", changes={f"model.options.{name}": value for name, value in options.items()})


def test_the_networks_of_the_sources_are_far_from_it() -> None:
    check_size(ModelSpec(name="alexnet_d2l"), DataSpec(name="cifar10", image_size=(512, 512), fit="bilinear"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"train.learning_rate": Range(min=1e-3, max=1.0, step=1e-12)}, "999,000,000,001 values are more than the"),
        ({"data.n_train": Range(min=1, max=1e15)}, "1,000,000,000,000,000 values are more than the"),
    ],
)
def test_a_hyperparameter_has_no_more_values_than_can_be_tried(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        space_for("lenet5", dataset="digits", changes=changes)


def test_a_long_choice_is_refused_and_a_value_that_stands_twice_found_soon() -> None:
    with pytest.raises(UsageError, match="100,001 values are more than the 100,000"):
        Choice(values=tuple(range(MOST_VALUES + 1)))
    with pytest.raises(UsageError, match="7 is listed twice"):
        Choice(values=(*range(50_000), 7))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"max_trials": 10**9},
            "1,000,000,000 candidates with 2 seeds are 2,000,000,000 runs, a plan has at most 100,000",
        ),
        ({"seeds": 10**9}, "1 candidate with 1,000,000,000 seeds are 1,000,000,000 runs"),
        ({"test_seeds": 10**9}, "fresh seeds of the best recipe are 1,000,000,000 runs"),
    ],
)
def test_a_search_of_too_many_runs_is_refused(tmp_path: Any, options: dict[str, int], sentence: str) -> None:
    settings = Settings(ledger=tmp_path / "kbnd.sqlite")
    with pytest.raises(UsageError, match=sentence):
        new_job(settings, model="lenet5", dataset="digits", **options)
