"""How each provider words its limits: one module for each dialect.

Every module has the same two functions:

    is_spoken(headers)      whether these headers can only be of this dialect
    read(headers, now)      the limits they report; `now` is what the server's clock showed, or None

`actors.wire.rate_limits` picks the dialect and is what the rest of the house imports.
"""
