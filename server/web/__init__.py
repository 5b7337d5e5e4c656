"""HTTP itself; knows no sync.

- `routing`: what a line of the route table says. `errors`: every error a client can meet, in one table.
- `bodies`: JSON in and out. `params`: query parameters, checked. `headers`: what every answer carries.
- `assets`: the files of `static/`.
- `protocols`: uvicorn's protocols, with the time limits they lack. `cut_off`: an answer that breaks off must look
  broken off.
- `tasks`: cancellations that a library swallowed.
"""
