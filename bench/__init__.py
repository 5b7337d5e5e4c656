"""Measures what users feel, next to the peers, in one run. Never part of the tests: a shared machine is too noisy.

`python -m bench` runs everything in turn. Each measurement also runs alone; `--help` lists its options:

- `headroom`: shows that the load generator is not the limit. `fanout`: server CPU per delivered line, and latency.
- `quiet`: latency of a quiet log. `idle`: the cost of idle viewers. `stalls`: the cost of viewers that stop reading.
- `storm`: all viewers reconnect at once. `replay`: opening a long log. `writer`: what logging costs a job and Redis.
- `page`: the log page in a browser. `engine`: a whole sync.

Below them: `peers` (the compared servers), `load` and `viewer` (the viewers' process), `followers` (viewers that
reconnect), `pace` (the publisher), `realistic` (lines), `processes`, `redis`, `report`. Servers run on the first core;
publisher, viewers and Redis on the second.
"""
