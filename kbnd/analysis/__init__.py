"""From runs to numbers: intervals, paired comparisons and time ratios. Imports no backend.

| module       | subject                                                                  |
|--------------|--------------------------------------------------------------------------|
| `metrics`    | what is measured of a run, and what is derived from its epochs           |
| `selection`  | which runs may enter a comparison                                        |
| `blinding`   | whose test results are hidden, so that nobody chooses by them            |
| `stats`      | means and paired differences with intervals                              |
| `compare`    | every arm against its baseline, paired by seed                           |
| `timing`     | times as ratios, paired by block, and the noise floor                    |
| `importance` | which hyperparameter mattered in a search                                |
| `divergence` | where in its space a search diverged                                     |
"""
