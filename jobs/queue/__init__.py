"""Ask for work.

- `requests`: start, post, retry or stop a sync; the only way to each.
- `check_requests`: check a service's connections.
- `batches`: records on their way through Redis.
"""
