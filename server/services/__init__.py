"""What people make and change.

- `actions`: what may be done to services and syncs; one way for the API and the pages. `reader`: services as stored.
- `forms`: the pages that change a service, over `service_form` (what they hold), `fields` (inputs from a struct's type,
  and back) and `labels` (what inputs are called).
- `toml_files`: services in and out as TOML. `schedules`: cron in words. `trial`: try a record.
- `checks`: the state of a service's connections. `inbound`: records that are posted.
"""
