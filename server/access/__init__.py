"""Authentication and permissions.

- `auth`: tokens, sessions, roles, `Origin`.
- `tokens`: create, list and remove access tokens.
"""
