"""A ledger's finished runs, written for the tools that people have.

| target        | written                                                       | needs               |
|---------------|---------------------------------------------------------------|---------------------|
| `csv`         | a folder with runs.csv and epochs.csv                         |                     |
| `parquet`     | a folder with runs.parquet and epochs.parquet                 | `kbnd[parquet]`     |
| `jsonl`       | one file that `kbnd ledger import` reads                      |                     |
| `tensorboard` | a folder of event files: curves, and one HParams row per run  | `kbnd[tensorboard]` |
| `mlflow`      | one MLflow run per run, in OUT/mlflow.db or a tracking server | `kbnd[mlflow]`      |

Exporting again replaces what was written before and doubles nothing. Nothing here imports a backend.

| module        | subject                                                              |
|---------------|----------------------------------------------------------------------|
| `targets`     | the table above as one function                                      |
| `selection`   | which runs are exported, under which names, with which fields        |
| `tensorboard` | event files                                                          |
| `mlflow`      | MLflow runs                                                          |
"""

from kbnd.export.targets import Exported, export

__all__ = ["Exported", "export"]
