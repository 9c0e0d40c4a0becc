"""Runs the engines in alternation and writes docs/benchmarks.md."""
