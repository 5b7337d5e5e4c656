"""Ask for work.

- `requests`: start, post, retry or stop a sync; the only way to each. `turns`: which of a service's syncs may run now.
- `check_requests`: check a service's connections.
- `job_queue`: RQ's queue, made one way.
- `stored`: what is kept beside a sync's log: its options, and records in compressed batches.
"""
