"""Definitions of services: what one is, stored, checked, written down.

- `model`: a service and its parts, as structs.
- `store`: read, created, replaced, removed in Redis.
- `shapes`: struct types, walked one way, for checks, forms and TOML.
- `validate`: every fault of a definition at once; `ends`: the faults of its source and destination.
- `notation`: mapping functions and lookup tables as people type them. `toml`: services as TOML.
- `trial`: one record through the filters and the mapping, in a process of its own.
"""
