"""The command `synctail`. It uses Synctail's HTTP and websocket API and knows nothing of Redis or of the server's code.

- `__main__`: the command and its sub-commands, from `services`, `syncs`, `tokens` and `doctor`.
- `client`: one server and one token; every error of the API becomes one sentence. `settings`: where both come from.
- `follow`: a log's lines over the websocket, or by polling: every line once and in order.
- `show`: output to a terminal, on which nothing that was logged may act.
"""
