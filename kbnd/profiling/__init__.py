"""The honest clock: what an epoch of any `fit` takes in time, memory and energy, and on which machine.

| module     | subject                                         |
|------------|-------------------------------------------------|
| `profiler` | `EpochProfiler`, the callback                   |
| `meters`   | memory of process and device, energy of the GPU |
| `device`   | the backend's device, and waiting for it        |
| `machine`  | what a time was measured on                     |

Its arithmetic is `kbnd.clock`, which those who read a ledger use too.
"""
