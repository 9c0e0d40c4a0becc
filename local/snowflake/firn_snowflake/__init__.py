"""The laptop's Snowflake: fakesnow 0.12.1 with the gaps mended that firn would fall into.

Start it with ``python -m firn_snowflake``. Each module mends one area; each mend says what stock
fakesnow does, what Snowflake does (with the page) and what is done about it. Nothing of fakesnow is
forked: the mends replace attributes of its modules, so its version is pinned exactly.

Pages are written as ``/x`` and stand for https://docs.snowflake.com/en/x.
"""
