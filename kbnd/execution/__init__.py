"""Execution: wanted runs become stored records, in this process, in others, or on a cluster.

    source --wanted runs--> driver --claim--> executor --records--> ledger

| module       | subject                                                                        |
|--------------|--------------------------------------------------------------------------------|
| `runs`       | a run that is wanted, with its place in a plan                                 |
| `progress`   | what is told of runs while they train (a protocol)                             |
| `display`    | the same on a terminal, or as plain lines                                      |
| `settings`   | how runs are trained, as far as it changes no number                           |
| `driver`     | claims runs, has them trained, stores what comes back                          |
| `executors`  | the executor that `--executor` names                                           |
| `inline`     | runs one after another in this process                                         |
| `processes`  | runs in processes of this machine, `worker` is one of them                     |
| `ray`        | runs on a Ray cluster; `clusters` says what it has room for                    |
| `concurrent` | several runs at once, wherever they train: started, told of, retried, recorded |
| `mailbox`    | where runs on other machines leave what they say                               |
| `resources`  | cores, threads and GPU of each of several processes                            |
"""
