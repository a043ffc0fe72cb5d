# What is fetched from package registries. Read by scripts/deps.sh, and
# DUCKDB_VERSION by cmake/DuckDB.cmake. Checksums: scripts/checksums.txt.
DUCKDB_VERSION=1.5.5
DUCKDB_NODE_VERSION=1.5.5-r.5
# The package whose source of librdkafka we build, and which one that is.
KAFKA_JAVASCRIPT_VERSION=1.10.1
LIBRDKAFKA_VERSION=2.15.1
CLANG_FORMAT_VERSION=19.1.7
CLANG_TIDY_VERSION=23.1.4
