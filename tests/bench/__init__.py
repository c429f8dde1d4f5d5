"""What Holdfast costs, as ratios against a reference in the same run; `make bench` prints them.

The machine that runs this is never quiet, so no figure stands alone: each slice of a candidate follows a slice
of its reference, and the median of the ratios counts. A server's cost is the CPU time of its process per request,
which is what decides how many requests a core serves.
"""
