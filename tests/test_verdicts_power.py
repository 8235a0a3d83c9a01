"""Seeds that would decide: the planning table, statsmodels, and a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from statsmodels.stats.power import TTestPower

from kbnd.verdicts import power
from kbnd.verdicts.means import Mean

# Effect in SDs -> seeds at 0.05, at the first step of Holm over 6 and over 12 tests, and to show equivalence.
PLANNED = {
    0.25: (128, 198, 224, 139),
    0.5: (34, 52, 60, 36),
    0.75: (16, 26, 29, 17),
    1.0: (10, 16, 18, 11),
    1.5: (6, 9, 11, 6),
    2.0: (5, 7, 8, 4),
    3.0: (4, 5, 6, 3),
}


@pytest.mark.parametrize(("effect", "seeds"), PLANNED.items())
def test_the_planning_table(effect: float, seeds: tuple[int, ...]) -> None:
    levels = (0.05, 0.05 / 6, 0.05 / 12)
    assert tuple(power.seeds_to_see(effect, 1.0, alpha=alpha) for alpha in levels) == seeds[:3]
    assert power.seeds_to_show_within(effect, 1.0) == seeds[3]


def test_power_agrees_with_statsmodels() -> None:
    for n, effect in ((5, 1.0), (20, 0.3)):
        expected = TTestPower().power(effect, n, 0.05, alternative="two-sided")
        assert power.power_to_see(effect, 1.0, n) == pytest.approx(expected, abs=1e-5)


def test_power_is_what_simulated_studies_reach() -> None:
    """4,000 studies: 3 standard errors of 0.8 are 0.019."""
    d = np.random.default_rng(3).normal(0, 1, (4000, 12))
    seen = (ttest_1samp(d + 0.9, 0, axis=1).pvalue < 0.05).mean()
    assert seen == pytest.approx(power.power_to_see(0.9, 1.0, 12), abs=0.02)
    shown = np.mean([Mean.over_seeds(row).within(1.0) < 0.05 for row in d])
    assert shown == pytest.approx(power.power_to_show_within(1.0, 1.0, 12), abs=0.02)


def test_an_effect_that_nobody_could_see_has_no_number() -> None:
    assert power.seeds_to_see(1e-6, 1.0) is None


def test_the_upper_limit_of_an_sd_is_above_it_in_four_of_five_pilots() -> None:
    pilots = np.random.default_rng(4).normal(0, 1, (4000, 5)).std(axis=1, ddof=1)
    above = np.mean([power.upper_sd(sd, 5) > 1.0 for sd in pilots])
    assert above == pytest.approx(0.8, abs=0.02)
    assert np.isnan(power.upper_sd(0.0, 1))
