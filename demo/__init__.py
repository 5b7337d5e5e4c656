"""What `make run` needs on an empty machine: a shop, a warehouse and a Valkey.

- `__main__`: the launcher: checks, starts everything, prints the sign-in link, ends it all. `processes`: its processes.
- `valkey`: the embedded Valkey as a process of its own.
- `shop`: the demo shop's HTTP interface. `goods`: its records, made from their numbers.
- `warehouse`: the SQLite database that refuses wrong rows.
- `services`: stores the demo services of `services.toml`.
- `settings`: what the launcher and the shop share.

Nothing in `jobs` or `server` imports from here; a deployment leaves this folder out.
"""
