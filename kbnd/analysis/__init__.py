"""From runs to numbers: intervals, paired comparisons and time ratios. Imports no backend."""
