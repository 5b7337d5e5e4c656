"""Runs syncs and writes their story. The map, in the order a sync meets the files:

- `records`, `keys`, `settings`: what things are, where they live, what may be set. Pure; they import nothing of ours.
- `connect`: one Redis client, made one way. `unsafe_text`: what acts on a terminal or a page.
- `enqueue`: ask for a sync, or for one again. The only way to start one.
- `worker`, `tasks`: RQ's process and what it calls; `interrupts`: how a running sync is interrupted; `leash`: a sync's
  process goes with its worker.
- `headlines`: how a sync's log begins.
- `services`: the stored definitions; `definitions` checks one whole, `endpoints` its source and destination. `typed`:
  how people write values and functions; `toml`: services as TOML; `trial`: one record through filters and mapping.
- `sync`: pull, filter (`filters`), skip what was `seen`, `script` (with `script_child`, what runs in its process), map
  (`mapping`, with the functions of `transforms` and what their `arguments` may be), push, count.
- `given`: records that wait in Redis, in place of a source's: posted ones, and failed ones for a retry.
- `connectors/`: one file for each kind of system a sync reads from or writes to. `checks` tries both ends of a service
  without a sync, asked for through `check_requests`.
- `logwriter`: the only writer of a sync's log and summary, over `lines` (what the bytes are), `masks` (what must not
  be in them) and `appender` (the scripts that write); `logcap` says where a log is full; `loghandler` brings
  `logging` and prints into it.
- `payloads`: keeps what was pulled, scripted and pushed as files, where that is wanted.
- `endings`: a true last line for a sync whose own process can no longer write it.
- `days`: what each service moved on each day, added once for each sync that ended.
- `clock`: starts what is due, and ends what is dead.
"""
