"""From runs to numbers: intervals, paired comparisons, time ratios, what a search shows. Imports no backend.

| module            | subject                                                             |
|-------------------|---------------------------------------------------------------------|
| `stats`           | estimators and intervals of arrays                                  |
| `selection`       | which runs may enter a comparison                                   |
| `metrics`         | what is measured of a run, by name                                  |
| `curves`          | numbers of a test curve                                             |
| `blinding`        | whose test results are hidden, so that nobody chooses by them       |
| `compare`         | every arm against its baseline, paired by seed                      |
| `timing`          | ratios of times within blocks, beside their noise floor             |
| `importance`      | which hyperparameter mattered in a search                           |
| `hyperparameters` | values of a hyperparameter as numbers or categories                 |
| `divergence`      | where in its space a search diverged                                |
| `objectives`      | what a search looks for: a number of a finished run                 |
| `pruning`         | the median stopping rule                                            |
| `endings`         | how a candidate ends: its score, and what the oracle is given       |
| `derivation`      | what the log of a search must say, by its runs                      |
"""
