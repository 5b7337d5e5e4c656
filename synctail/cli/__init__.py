"""The command `synctail`. It speaks Synctail's HTTP and websocket API and knows nothing of Redis or of the server's
insides. The map:

- `__main__`: the command and its sub-commands, over `services`, `syncs`, `tokens` and `doctor`.
- `client`: one server and one token; every error of the API as one sentence. `settings`: where both are found.
- `follow`: a log's frames over the websocket, or by polling, without a gap and without a double.
- `show`: what is written to a terminal, where nothing that was logged may act on it.
"""
