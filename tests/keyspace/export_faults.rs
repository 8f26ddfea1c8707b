//! What dies, fills up or changes while a keyspace is exported.
