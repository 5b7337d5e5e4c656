"""Measures what a user feels, next to the peers, in one run. Never part of the tests: a shared machine is too noisy.

- `fanout`: one log and many viewers: server CPU per delivered line, and latency. `python -m bench.fanout --help`
- `load`: the viewers, as a process of its own. `peers`: the servers that are compared, started and stopped here.
- `writer`: how fast a job can log, and what `log.info` costs it.
"""
