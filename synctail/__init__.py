"""Live logs: write one from any job, follow one from anywhere. The only package of ours that is published.

It knows neither services nor the web server, and imports nothing of `jobs` or `server`. Rooms, each above the next:

- `cli`: the command, which speaks the HTTP and websocket API alone.
- `log`: every writer of a log, of its summary and of its payload files.
- `connect`: one Redis client, made one way. `settings`: the environment, read once and checked.
- `lua`: the scripts that run in Redis, loaded one way.
- `model`: what things are, and where they live in Redis.
"""
