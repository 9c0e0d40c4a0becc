"""The Snowflake stand-in: fakesnow 0.12.1 with patches for the gaps that matter to firn.

``python -m firn_snowflake`` starts the server. "Stock fakesnow" is the published release without a
patch. Each patch states the behaviour of stock fakesnow, the behaviour of Snowflake (with the page)
and the change. The patches replace attributes of fakesnow's modules, so the exact version is
pinned.

Pages are written as ``/x``, short for https://docs.snowflake.com/en/x.
"""
