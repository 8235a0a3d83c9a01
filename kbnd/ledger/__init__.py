"""The ledger: one SQLite file that remembers every run, and the only memory of kbnd.

Training writes to it, analysis reads from it, and neither knows the other. Several processes may share one file:
whoever wants to train a run claims it first, so that each run is trained once.

    with Ledger.open("kbnd.sqlite") as ledger:
        if ledger.claim(run_id) == "claimed":
            ledger.begin(record)
            ledger.add_epoch(run_id, epoch)
            ledger.finish(record)

| module          | subject                                                                        |
|-----------------|--------------------------------------------------------------------------------|
| `store`         | `Ledger`, a ledger that is written to: claims, runs, epochs, searches, merging |
| `reader`        | `Reader`, what a ledger is asked: runs, epochs, studies, exports               |
| `schema`        | tables, migrations, how a record's fields become SQLite values                 |
| `columns`       | what each column can hold, asked before a table is read as a whole             |
| `database`      | opening the file, transactions, patience with a locked one                     |
| `sqlite_errors` | SQLite's errors as sentences                                                   |
| `claims`        | who is training what, and whether that process still lives                     |
| `threads`       | with how many threads a study or search was begun                              |
| `neighbours`    | who else trained on this machine meanwhile                                     |
| `rows`          | records to rows and back                                                       |
| `frames`        | rows as the tables runs.csv and epochs.csv                                     |
| `searches`      | the log of a search: begun, appended to, continued                             |
| `values`        | what a stored value may be: names, digests, counts, printable texts            |
| `checks`        | what a stored or imported run must satisfy                                     |
| `environments`  | what the environment of a run may hold                                         |
| `redundancies`  | what a run says twice must be the same                                         |
| `plain`         | a run as plain values, and its digest                                          |
| `row_digests`   | digests of single rows: labels, studies, searches                              |
| `study_checks`  | what the definitions and labels of a study must satisfy                        |
| `search_checks` | what the log of a search must satisfy                                          |
| `jsonl`         | a ledger as JSON lines                                                         |
| `seal`          | what tells a whole export from a cut one                                       |
| `exports`       | files for other programs                                                       |
| `imports`       | taking another ledger in                                                       |
| `trainings`     | what two trainings of one run may differ in                                    |
| `first_import`  | an import into a ledger that need not exist                                    |
| `incoming`      | what is taken in: a ledger or JSON lines                                       |
"""

from kbnd.ledger.claims import ClaimResult, RunClaim
from kbnd.ledger.first_import import import_into
from kbnd.ledger.imports import Merged
from kbnd.ledger.reader import Reader
from kbnd.ledger.rows import StudyInfo
from kbnd.ledger.store import Ledger

__all__ = ["ClaimResult", "Ledger", "Merged", "Reader", "RunClaim", "StudyInfo", "import_into"]
