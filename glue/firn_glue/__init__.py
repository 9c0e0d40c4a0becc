"""The engine on Glue: transform.py is the script that runs it."""
