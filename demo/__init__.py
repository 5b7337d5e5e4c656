"""What `make run` needs on an empty machine: a shop, a warehouse and a Valkey.

| module      | owns                                                                          |
| ----------- | ----------------------------------------------------------------------------- |
| `__main__`  | the launcher: checks, starts everything, prints the sign-in link, stops all   |
| `processes` | honcho as a child: who started, who ended first, and what must be killed      |
| `runner`    | honcho itself, in that child                                                  |
| `valkey`    | the embedded Valkey, in its own process                                       |
| `shop`      | the demo shop's HTTP API                                                      |
| `goods`     | the shop's records, generated from their numbers                              |
| `warehouse` | the SQLite database that refuses wrong rows                                   |
| `services`  | the five demo services                                                        |
| `settings`  | the demo's own environment variables                                          |
| `leash`     | on Linux, makes sure that no process outlives its parent                      |

Nothing in `jobs` or `server` imports from here; a deployment leaves this folder out.
"""
