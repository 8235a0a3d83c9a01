"""An experiment: a study with every choice made, so that each arm has every field decided."""

from __future__ import annotations

from kbnd.spec import DataSpec, Flag, ModelSpec, Name, Positive, Spec, TrainSpec
from kbnd.study.variants import FAITHFUL

Recipe = tuple[ModelSpec, TrainSpec]


class Experiment(Spec):
    """A study with every choice made: what is trained.

    Attributes:
        name: study, dataset and whatever else a user chose; with the backend it names the experiment in a ledger.
        title: of the study, and on which images it is here where they are not the study's.
        source: the paper or report that the study reproduces, in words; empty for a user's own.
        preset: its name.
        difference: in words, what makes this another experiment than the source's; empty where nothing does.
        claims: in words, which claims of the study these arms could decide; empty where it makes none.
        seeds: number of paired seeds.
        data: shared by all arms, resolved.
        arms: name -> (model, train), the baseline first; those chosen, and the baselines that they need.
        baselines: arm -> the arm it is compared with; a root, as the baseline is one -> itself.
        all_baselines: likewise of every arm of the study, chosen or not: a ledger gathers what is chosen one by one.
        is_by_validation: whether its preset leaves the test curve out and has a validation curve, so that something
            can be chosen by it: nothing is looked at on test images then.
        needs_gpu: whether the preset says that it needs a GPU.
        has_own_budget: whether dataset and epochs are the preset's, or the epochs more; neither is the user's own.
        definition: digest of the data and of every arm of the study, chosen or not.
    """

    name: Name
    title: str
    source: str = ""
    preset: str = FAITHFUL
    difference: str
    claims: str = ""
    seeds: Positive
    data: DataSpec
    arms: dict[Name, Recipe]
    baselines: dict[Name, Name]
    all_baselines: dict[Name, Name] = {}
    is_by_validation: Flag = False
    needs_gpu: Flag = False
    has_own_budget: Flag = True
    definition: str

    @property
    def baseline(self) -> str:
        """The arm that stands first: a root, the only one that has an A/A control."""
        return next(iter(self.arms))
