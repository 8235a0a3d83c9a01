"""The pictures of studies and searches.

| module       | subject                                                                  |
|--------------|--------------------------------------------------------------------------|
| `study`      | the pictures of a study: which there are, drawn                          |
| `curves`     | learning curves, a small panel for each arm or family of arms            |
| `arms`       | dot plots: accuracies, differences and time ratios, a row for each arm   |
| `cost`       | accuracy against time                                                    |
| `marginals`  | a search's score against each hyperparameter                             |
| `captions`   | what stands below the picture of a search                                |
| `scales`     | the axes of the picture of a search                                      |
| `error_axis` | the axis of accuracies by the logarithm of the error                     |
| `style`      | one style, colours by family of arms, titles and labels                  |
| `formats`    | a figure as the bytes of its files                                       |
"""
