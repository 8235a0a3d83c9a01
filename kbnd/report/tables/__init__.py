"""The tables of studies and searches, as `kbnd.report.table.Table` values.

| module            | subject                                                              |
|-------------------|----------------------------------------------------------------------|
| `study`           | a study's tables in order: arms against baselines, and times         |
| `published`       | a source's own tables, measured beside published                     |
| `claimed`         | metrics that only claims look at                                     |
| `verdicts`        | claims with their verdicts                                           |
| `notes`           | the sentences below the tables of a study                            |
| `trials`          | a search's tables in order, its trials best first                    |
| `best`            | the best recipe of a search, beside what fresh seeds reach           |
| `hyperparameters` | which hyperparameter mattered, and where trials diverged             |
"""
