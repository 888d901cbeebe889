"""Tables as files, CSV and Parquet, whatever they are about."""
