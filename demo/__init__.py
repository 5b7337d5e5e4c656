"""What `make run` shows on a machine that has nothing: a shop, a warehouse, and a Valkey to run on.

| module      | owns                                                                         |
| ----------- | ---------------------------------------------------------------------------- |
| `__main__`  | the launcher: checks, starts everything, prints the sign-in link, ends it all |
| `processes` | honcho as a child: who started, who ended first, and that nobody is left      |
| `runner`    | honcho itself, as that child runs it                                          |
| `valkey`    | the embedded Valkey as a process of its own                                   |
| `shop`      | the demo shop's HTTP interface                                                |
| `goods`     | the shop's records, made from their numbers                                   |
| `warehouse` | the SQLite database that refuses wrong rows                                   |
| `services`  | the three demo services                                                       |
| `settings`  | the demo's own environment variables                                          |
| `leash`     | what Linux offers so that no process outlives its parent                      |

Nothing in `jobs` or `server` imports from here; a deployment leaves this folder out.
"""
