"""The run wing: from a spec to a trained, timed and evaluated run.

    task --> compiled (initial, optimizers) --> fit (feed, schedulers, recorder) --> evaluation --> RunRecord

| module         | subject                                                                      |
|----------------|------------------------------------------------------------------------------|
| `backend`      | choosing, loading and naming the Keras backend                               |
| `settings`     | the person's settings of a process that would change numbers                 |
| `holding`      | having them as a run needs them, and giving them back                        |
| `variables`    | the person's environment: what a backend must not read                       |
| `task`         | what a run is asked to do, and whom it tells                                 |
| `run`          | one run from its task to its record                                          |
| `compiled`     | compiled networks that serve many runs                                       |
| `initial`      | initial weights and dropout seeds, by name                                   |
| `optimizers`   | the optimizers, with both kinds of weight decay                              |
| `feed`         | batches in the order that a seed fixes                                       |
| `augmentation` | crop and flip of each training image                                         |
| `pixels`       | scaling of the pixels                                                        |
| `schedules`    | learning rate and dropout as functions of the epoch                          |
| `schedulers`   | the callbacks that put a schedule into effect                                |
| `recorder`     | the callback that turns an epoch into a record, and stops a run              |
| `checkpoint`   | all that a run needs to go on, in one file                                   |
| `evaluation`   | loss, accuracy and correctness in eval mode                                  |

Importing this package imports no backend. The clock of a run is `kbnd.profiling`.
"""
