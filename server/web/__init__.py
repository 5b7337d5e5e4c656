"""HTTP itself; knows no sync.

- `errors`: every error a client can meet, in one table.
- `params`: query parameters, checked. `limits`: how much a client may send. `headers`: what every answer carries.
- `assets`: the files of `static/`.
- `protocols`: uvicorn's protocols, with the time limits they lack. `cut_off`: an answer that breaks off must look
  broken off.
- `tasks`: cancellations that a library swallowed.
"""
