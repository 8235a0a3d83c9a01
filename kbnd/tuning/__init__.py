"""Searching: what varies, who proposes candidates, what is looked for.

    space --> plan --> job: oracle --ask--> candidate --> runs --> score --tell--> oracle ... --> TuneResult

| module          | subject                                                                                 |
|-----------------|-----------------------------------------------------------------------------------------|
| `parameters`    | the values that a hyperparameter can take: a choice or a range                          |
| `paths`         | which field of a run a hyperparameter is, and which can vary                            |
| `space`         | what a search varies and what it leaves alone; from values to specs of runs             |
| `syntax`        | what a person writes of a space: options of a command, space files                      |
| `defaults`      | the space of a network unless a user says otherwise                                     |
| `oracles`       | the table of oracles: everything in which they differ                                   |
| `plan`          | everything that was asked for, checked                                                  |
| `budget`        | what a search would cost                                                                |
| `held`          | what a ledger holds of a search, for those who only look                                |
| `keras_oracles` | keras-tuner's oracles as kbnd drives them                                               |
| `keras_values`  | hyperparameters and their values as keras-tuner writes them                             |
| `asker`         | one of these oracles, driven by ask and tell, replayed from a log                       |
| `candidates`    | the proposals, and the runs that each is trained by                                     |
| `endings`       | what the log holds of the end of a candidate, which of its runs are measured again      |
| `search`        | the state of a search, a function of its log                                            |
| `trials`        | the frames of a search                                                                  |
| `plan_tables`   | what a search prints of its plan                                                        |
| `result`        | what came of a search: tables, files, the best recipe                                   |
| `job`           | one call that goes on with a search to its end                                          |
| `tune`          | `kbnd tune` as a function                                                               |
| `hypermodel`    | kbnd's networks inside stock keras-tuner tuners                                         |

Importing this package imports no backend; keras-tuner, which does, is loaded when the first oracle is made.
"""

from kbnd.tuning.defaults import default_space, space_for
from kbnd.tuning.parameters import Choice, Range
from kbnd.tuning.space import Space

__all__ = ["Choice", "Range", "Space", "default_space", "space_for"]
