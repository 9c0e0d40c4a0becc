"""The engine on Glue. The script transform.py runs the engine."""
