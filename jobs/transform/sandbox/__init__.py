"""A script's own process: two processes, in fact, with nothing but the standard library.

- `__main__`: the program; `keeper`: the first process, ours alone, which starts the second, waits, and cleans up.
- `cage`: the second process, which runs the script batch by batch; `output`: what comes out of the script.
- `walls`: what the cage gives up before it loads the script; `linux`: what Linux offers for that.
- `messages`: all that the worker and the two processes say to each other.

It trusts nothing that the script can reach, and the worker trusts nothing that comes from here. `jobs.transform.script`
says what the walls keep out. Only `messages` is of use to other rooms.
"""
