"""The parts of firn's DAGs: tasks, settings, mails and access to AWS."""
