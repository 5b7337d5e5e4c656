"""Runs syncs. Its processes are `worker` and `clock`; `tasks` holds the addresses that RQ stores in Redis.

Rooms, each above the next, so that imports go one way:

- `run`: one sync, from claim to ending. `clock`, beside it, starts syncs that are due and ends dead ones.
- `connectors`: one kind of system each, behind one protocol. `queue`: ask for work.
- `services`: definitions: what one is, stored, checked, written down.
- `transform`: what happens to a record between pull and push.
- `die_with_parent`: what Linux offers so that no process outlives its parent.

`worker` > `tasks` > `run`, `clock` > `connectors`, `queue` > `services` > `transform` > the library, `synctail`.
"""
