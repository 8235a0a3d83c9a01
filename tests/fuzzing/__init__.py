"""Random faults, for `tools/fuzz` and a few of each for the suite: what must hold under any of them is counted.

| module          | subject                                                                                    |
|-----------------|--------------------------------------------------------------------------------------------|
| `kinds`         | the table of all kinds, and how often each is tried                                        |
| `cases`         | cases in processes of their own, by seed and number; what a fault is                       |
| `computed`      | runs that are computed, not trained; the journal of what was begun and stored              |
| `drivers`       | a study and searches of such runs, in a process without a backend                          |
| `kills`         | SIGKILL at any call or moment                                                              |
| `together`      | several drivers at once; drivers suspended and taken over                                  |
| `disks`         | disks that are full at any size                                                            |
| `trained`       | the same with real trainings                                                               |
| `ledgers`       | what is asked of a damaged ledger or export                                                |
| `ledger_damage` | how they are damaged                                                                       |
| `checkpoints`   | damaged checkpoints                                                                        |
| `datasets`      | damaged files of cached datasets                                                           |
| `tomls`         | damaged studies, recipes, spaces                                                           |
| `inputs`        | bad input on command lines and in Python                                                   |
| `commands`      | commands in this process, and which ends of them are faults                                |
| `mutations`     | how bytes and values are damaged                                                           |
| `hostile`       | values that nobody means                                                                   |
| `texts`         | sound TOML files                                                                           |
"""
