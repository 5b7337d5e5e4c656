"""Who asks, and may they.

- `auth`: tokens, sessions, roles, `Origin`.
- `tokens`: make, list and remove access tokens.
"""
