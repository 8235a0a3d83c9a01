"""What a run costs before it is trained, and whether its images fit its network.

| module     | subject                                                         |
|------------|-----------------------------------------------------------------|
| `estimate` | time, memory and disk of a run, from counts alone               |
| `images`   | what is known of a dataset without decoding it, and what it fits |
"""
