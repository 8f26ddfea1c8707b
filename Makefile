# Everything is run through cargo; what needs Postgres or Cassandra finds or installs them first (scripts/ensure-…)
# and starts throw-away servers of its own.

.DEFAULT_GOAL := help
.PHONY: help build test demo demo-cassandra demo-keyspace bench bench-keyspace torture

help: ## shows this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## builds the program, optimised: target/release/kmig
	cargo build --release

test: ## format, lints, and every test; a missing server is a failure
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	bin=$$(scripts/ensure-postgres) && versions=$$(scripts/ensure-postgres-versions) && pooler=$$(scripts/ensure-pgbouncer) \
		&& cassandra=$$(scripts/ensure-cassandra) && cassandra_41=$$(scripts/ensure-cassandra 4.1.10) \
		&& readers=$$(scripts/ensure-readers) \
		&& KMIG_PG_BIN=$$bin KMIG_PG_VERSIONS="$$versions" KMIG_PGBOUNCER=$$pooler \
		KMIG_CASSANDRA=$$cassandra KMIG_CASSANDRA_41=$$cassandra_41 \
		KMIG_READERS=$$readers KMIG_REQUIRE_SERVERS=1 scripts/test

demo: ## upgrades the sample under live clients of both versions
	cargo build --bin kmig --example demo
	@bin=$$(scripts/ensure-postgres) && KMIG_PG_BIN=$$bin cargo run --quiet --example demo

demo-cassandra: ## the same on three nodes of Cassandra
	cargo build --bin kmig --example demo-cassandra
	@jars=$$(scripts/ensure-cassandra) && KMIG_CASSANDRA=$$jars cargo run --quiet --example demo-cassandra

demo-keyspace: ## the way to a new keyspace, with other types and another key, under live clients
	cargo build --bin kmig --example demo-keyspace
	@jars=$$(scripts/ensure-cassandra) && KMIG_CASSANDRA=$$jars cargo run --quiet --example demo-keyspace

bench: ## round trips and times over networks of several speeds; schema changes on Cassandra
	bin=$$(scripts/ensure-postgres) && jars=$$(scripts/ensure-cassandra) \
		&& if peer=$$(scripts/ensure-cassachange); then export KMIG_CASSACHANGE=$$peer; fi \
		&& KMIG_PG_BIN=$$bin KMIG_CASSANDRA=$$jars cargo bench --bench network --bench thousand --bench cassandra

bench-keyspace: ## exports, imports and verifies a million rows beside bare loops, DSBulk and cqlsh COPY (KMIG_ROWS=… for fewer)
	cargo build --release
	jars=$$(scripts/ensure-cassandra) \
		&& if peer=$$(scripts/ensure-dsbulk); then export KMIG_DSBULK="$$peer"; fi \
		&& if peer=$$(scripts/ensure-cqlsh); then export KMIG_CQLSH="$$peer"; fi \
		&& KMIG_CASSANDRA=$$jars cargo bench --bench keyspace

torture: ## a random walk of faults (KMIG_MINUTES=10, KMIG_SEED=… repeats one), and every frame of Cassandra
	bin=$$(scripts/ensure-postgres) && cassandra=$$(scripts/ensure-cassandra) \
		&& KMIG_PG_BIN=$$bin KMIG_CASSANDRA=$$cassandra KMIG_REQUIRE_SERVERS=1 KMIG_MINUTES=$${KMIG_MINUTES:-10} \
		cargo test --test faults a_random_walk -- --nocapture
	cassandra=$$(scripts/ensure-cassandra) && KMIG_CASSANDRA=$$cassandra KMIG_REQUIRE_SERVERS=1 KMIG_EVERY_POINT=1 \
		cargo test --test faults cassandra_ -- --nocapture --test-threads 2
