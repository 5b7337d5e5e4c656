"""One sync from claim to ending.

- `attempt`: the frame of it all: log, interrupts, ending. `opening`: how its log begins.
- `sync`: pull, filter, skip, script, map, push, count.
- `pushed_before`: which records an earlier sync pushed. `kept_records`: records that wait in Redis for a sync.
- `interrupts`: time limit, stop and shutdown, as signals.
- `check`: try both connections of a service, without a sync.
"""
