"""What happens to a record between pull and push.

- `model`: filters, script and mapping, as structs.
- `filters`: which records a sync takes.
- `script`: a person's Python, and what a batch of records becomes in it; `script_process`: its process, behind walls
  (`sandbox`); `script_check`: whether it can run, without running it.
- `mapping`: what is pushed; `functions`, described in `functions.json`, and the check of their `arguments`.
"""
