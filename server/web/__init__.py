"""HTTP itself; knows no sync.

- `routing`: a line of the route table: path, least role, body limit. `bodies`: JSON in and out.
- `errors`: every error a client can meet, in one table. `params`: query parameters, checked.
- `headers`: what every answer carries. `assets`: the files of `static/`.
- `protocols`: uvicorn's protocols, with the time limits they lack. `cut_off`: an answer that breaks off must look
  broken off. `tasks`: cancellations that a library swallowed.
"""
