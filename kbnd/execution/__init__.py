"""Execution: wanted runs become stored records, in this process, in others, or on a cluster.

    source --wanted runs--> driver --claim--> executor --records--> ledger

| module       | subject                                                                        |
|--------------|--------------------------------------------------------------------------------|
| `runs`       | a run that is wanted, with its place in a plan                                 |
| `source`     | where a driver takes its work from: which runs, and which of them to give up   |
| `progress`   | what is told of runs while they train (a protocol)                             |
| `display`    | the same on a terminal, or as plain lines                                      |
| `settings`   | how runs are trained, as far as it is no part of what they are                 |
| `entry`      | the ledger opened, the threads settled, the backend loaded                     |
| `driver`     | claims runs, has them trained, stores what comes back                          |
| `executors`  | the executor that `--executor` names                                           |
| `inline`     | runs one after another in this process                                         |
| `processes`  | runs in processes of this machine                                              |
| `worker`     | such a process: it trains what its driver sends it                             |
| `ray`        | runs on a Ray cluster                                                          |
| `concurrent` | several runs at once, wherever they train: started, told of, retried, recorded |
| `resources`  | cores, threads and GPU of each of several processes                            |
| `threads`    | how many threads runs are computed with: those that the first of them had      |
"""
