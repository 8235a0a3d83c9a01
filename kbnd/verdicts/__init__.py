"""Verdicts: from the numbers of a test, one for each seed, to a word that a statistician would sign.

    d_1 ... d_n --> evidence --> adjusted over the family --> a word

| module       | subject                                                                                      |
|--------------|----------------------------------------------------------------------------------------------|
| `means`      | a mean over seeds, or over seeds and new images, and its t-tests                             |
| `paired`     | tests by signs and ranks                                                                     |
| `images`     | two sources of chance, seeds and test images: is a difference one on new images too?         |
| `evidence`   | what one test found by its rule: estimate, intervals, the p of the two ways to decide it     |
| `families`   | p-values adjusted over all tests of a source, where each test can be wrong in one of two ways |
| `words`      | the word of a test and of a claim                                                            |
| `sequential` | evidence that may be looked at after every seed: the t e-process and its confidence sequence |
| `power`      | seeds that would decide                                                                      |

Pure functions of arrays: nothing here knows a run, a ledger or a study.
"""
