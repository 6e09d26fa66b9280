"""A survey on disk: TFRecord shards, the index of their records and the manifest; written, opened, scanned."""
