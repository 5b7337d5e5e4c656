"""The command `synctail`. It speaks the HTTP and websocket API, and knows nothing of Redis.

- `__main__`: the command, over its sub-commands in `services`, `syncs`, `tokens` and `doctor`.
- `client`: one server and one token; every error of the API as one sentence. `settings`: where to find both.
- `follow`: a log's frames by websocket or by polling, with no gap and no duplicate.
- `show`: text for a terminal, in which nothing that was logged takes effect.
"""
