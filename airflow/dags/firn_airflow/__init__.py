"""What firn's DAGs are made of."""
