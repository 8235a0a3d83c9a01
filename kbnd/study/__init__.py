"""Studies: from a TOML file to a table.

    definition --> choices --> experiment --> plan --> runner --> results --> outputs
                      job (all checks)  |---> held --> preview --> preview_tables: the same, without training

| module           | subject                                                                              |
|------------------|--------------------------------------------------------------------------------------|
| `definition`     | the TOML schema of a study, and reading it                                           |
| `variants`       | what a study varies: arms and presets                                                |
| `published`      | the tables of a source, with the numbers that it published                           |
| `claims`         | what a source claims, and how its tests make one verdict                             |
| `rules`          | how one test of a claim is decided                                                   |
| `protocol`       | whether the training that a study declares can decide its claims                     |
| `choices`        | what a user chooses of a study, and the experiment that comes of it                  |
| `overlays`       | tables of changes laid over each other: networks and images                          |
| `differences`    | words for what an experiment or an arm has otherwise than another one                |
| `decidable`      | which claims an experiment could decide                                              |
| `contrasts`      | the numbers that a claim's test looks at, taken from runs                            |
| `verdicts`       | a word for every claim, with the numbers behind it                                   |
| `needed`         | seeds and hours that would decide an undecided claim                                 |
| `judged`         | verdicts as tables and claims.csv print them                                         |
| `answers`        | what an experiment answers: its verdicts, ready for terminal and folder              |
| `experiment`     | a study with every choice made                                                       |
| `plan`           | which runs, in which order                                                           |
| `job`            | all that a command asks for, checked before anything is trained                      |
| `gpu`            | whether an experiment that needs a GPU may start here                                |
| `held`           | what a ledger already holds of a plan                                                |
| `preview`        | what an experiment would do and cost: numbers                                        |
| `preview_tables` | the same as tables                                                                   |
| `runner`         | trains what the ledger does not hold                                                 |
| `results`        | the plan's runs, compared arm by arm                                                 |
| `outputs`        | the files of the output folder                                                       |
"""
