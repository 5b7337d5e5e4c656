"""Authentication and permissions.

- `gate`: holds every request to its route: identity, origin, role, size.
- `auth`: tokens and sessions. `origins`: which page made a request.
- `tokens`: create, list and remove access tokens.
"""
