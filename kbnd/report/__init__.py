"""From numbers to paper: tables, figures and the output folder. Imports no backend.

| module        | subject                                                                 |
|---------------|-------------------------------------------------------------------------|
| `table`       | one small table value, and its forms: text, Markdown, LaTeX, HTML       |
| `terminal`    | tables on a terminal                                                    |
| `numbers`     | how every metric is printed: unit, scale, decimals                      |
| `scores`      | how a search's score is printed                                         |
| `json_values` | frames and records as values of JSON                                    |
| `frames`      | what tables and figures are made from: a study's frames, and a search's |
| `tables`      | the tables of studies and searches                                      |
| `figures`     | their pictures                                                          |
| `page`        | `report.html`: all of them on one page                                  |
| `folder`      | the output folder                                                       |
| `comparison`  | one experiment of a ledger, compared                                    |
| `runs`        | the runs of a ledger, listed; one run with its epochs                   |
| `datasets`    | the datasets at hand, and the sentence beside results on them           |
| `machines`    | sessions and the machines that trained in them, in words                |
"""
