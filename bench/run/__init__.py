"""Runs the engines in alternation and writes bench/README.md."""
