"""Measures what a user feels, next to the peers, in one run. Never part of the tests: a shared machine is too noisy.

`python -m bench` runs all of them, one after the other; each also runs alone, and says with `--help` what it takes:

- `headroom`: that the load generator is not the limit. `fanout`: server CPU per delivered line, and latency.
- `quiet`: latency of a quiet log. `idle`: what viewers cost who see nothing. `stalls`: what they cost who stop reading.
- `storm`: everybody comes back at once. `replay`: opening a long log. `writer`: what logging costs a job, and Redis.

Below them: `peers` (the servers that are compared), `load` and `viewer` (the viewers' process), `followers` (viewers
that come back), `pace` (the publisher), `realistic` (lines), `processes`, `redis`, `report`. Servers run on the first
core; publisher, viewers and Redis on the second.
"""
