"""What a study answers: the verdicts of the claims that its arms decide, as a table and as claims.csv."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kbnd.report.table import Table
from kbnd.report.tables.verdicts import claims_table
from kbnd.study.decidable import decidable
from kbnd.study.definition import Study
from kbnd.study.experiment import Experiment
from kbnd.study.judged import Published, claims_frame, count_tests, judged
from kbnd.study.verdicts import verdicts


@dataclass(frozen=True)
class Answers:
    """Verdicts, ready for the terminal and for the output folder.

    Attributes:
        tables: one of claims with their verdicts; none where these arms decide no claim.
        claims: rows of claims.csv.
    """

    tables: tuple[Table, ...]
    claims: pd.DataFrame


def answer(
    study: Study,
    experiment: Experiment,
    runs: pd.DataFrame,
    correctness: Mapping[str, NDArray[np.bool_]],
    *,
    published: Published,
) -> Answers:
    """Return what the runs of an experiment answer.

    Args:
        study: whose claims they are.
        experiment: what was trained; with another budget than the source's its words are about that budget.
        runs: columns of runs.csv with one for every metric that a claim looks at.
        correctness: run id -> whether it was right on each test image; what is missing is not looked at.
        published: numbers of the source.
    """
    ids = decidable(study, experiment).ids
    claims = [claim for claim in study.claims if claim.id in ids]
    words = verdicts(claims, runs, baseline=experiment.baseline, correctness=correctness.get)
    lines = judged(words, runs, published=published)
    tables = (claims_table(lines, n_tests=count_tests(words)),) if lines else ()
    return Answers(tables, claims_frame(words, runs, [claim.id for claim in study.claims]))
