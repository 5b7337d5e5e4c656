"""Who asks, and may they.

- `gate`: holds each request to its line of the route table. `origins`: which page asked the browser to send it.
- `auth`: access tokens, sessions, and the principals that they name.
- `tokens`: make, list and remove access tokens.
"""
