"""What happens to a record between pull and push.

- `model`: filters, script and mapping, as structs.
- `filters`: which records a sync takes.
- `script`: a person's Python, run in a process behind walls (`sandbox`).
- `mapping`: what is pushed; `functions`: the functions of a mapping; `arguments`: what they take.
"""
