/**
 * What PgDog's files may hold for its work as a proxy, and resharding has no use for (pgdog-config/src of PgDog:
 * core.rs, general.rs, database.rs, users.rs, sharding.rs). Accepted, so that one pair of files serves both programs.
 */

/** Whole sections; each is noted when it is met. */
export const PROXY_SECTIONS: readonly string[] = [
  "control", "fdw", "manual_queries", "memory", "mirroring", "multi_tenant", "otel", "plugins",
  "query_parsers", "query_stats", "replica_lag", "resharding", "result_cache", "rewrite", "stats", "tcp", "vault",
];

export const PROXY_DATABASE_KEYS: readonly string[] = [
  "idle_timeout", "lb_weight", "lock_timeout", "min_pool_size", "min_pool_size_primary", "min_pool_size_replica",
  "pool_size", "pool_size_primary", "pool_size_replica", "pooler_mode", "read_only", "server_lifetime",
  "server_lifetime_jitter", "statement_timeout",
];

export const PROXY_USER_KEYS: readonly string[] = [
  "cross_shard_disabled", "identity", "idle_timeout", "lock_timeout", "min_pool_size", "min_pool_size_primary",
  "min_pool_size_replica", "password_hash", "pool_size", "pool_size_primary", "pool_size_replica", "pooler_mode",
  "read_only", "replication_mode", "replication_sharding", "server_iam_region", "server_lifetime",
  "server_lifetime_jitter", "statement_timeout", "two_phase_commit", "two_phase_commit_auto", "vault_path",
  "vault_refresh_percent",
];

export const PROXY_SHARDED_TABLE_KEYS: readonly string[] = ["lookup_result", "primary"];

export const PROXY_OMNISHARDED_KEYS: readonly string[] = ["sticky"];

export const PROXY_GENERAL_KEYS: readonly string[] = [
  "auth_rate_limit", "background_workers", "ban_replica_lag", "ban_replica_lag_bytes", "ban_timeout",
  "broadcast_address", "broadcast_port", "canonicalize_type_information", "checkout_timeout",
  "client_connection_recovery", "client_idle_in_transaction_timeout",
  "connect_attempt_delay", "connect_attempts", "connect_timeout", "connection_recovery", "cross_shard_disabled",
  "default_pool_size", "dns_ttl", "dry_run",
  "expanded_explain", "healthcheck_interval", "healthcheck_port", "healthcheck_timeout",
  "idle_healthcheck_delay", "idle_healthcheck_interval", "idle_timeout", "listen_backlog", "load_balancing_strategy",
  "load_schema", "log_connections", "log_dedup_threshold", "log_dedup_window", "log_disconnections", "log_format",
  "log_level", "log_min_duration_parse", "log_query_sample_length", "lsn_check_delay", "lsn_check_interval",
  "lsn_check_timeout", "max_pool_size", "min_pool_size", "mirror_exposure", "mirror_queue", "omnisharded_sticky",
  "openmetrics_host", "openmetrics_namespace", "openmetrics_port", "passthrough_auth", "pooler_mode",
  "prepared_statements", "prepared_statements_limit", "prepared_statements_ttl", "prepared_statements_ttl_jitter",
  "primary_functions", "pub_sub_channel_size", "query_cache_limit", "query_log", "query_log_stdout", "query_parser",
  "query_parser_enabled", "query_parser_engine", "query_size_limit", "query_size_limit_action",
  "read_after_write_ms", "read_write_split", "read_write_strategy", "regex_parser_limit", "reload_schema_on_ddl",
  "require_healthcheck_on_discovery", "rollback_timeout", "route_unknown_functions_to_primary", "server_lifetime",
  "server_lifetime_jitter", "sharding_lookup_cache_size", "sharding_lookup_timeout", "shutdown_termination_timeout",
  "shutdown_timeout", "stats_period", "system_catalogs", "tls_client_ca_certificate",
  "tls_client_required", "tls_server_ca_certificate", "tls_server_certificate",
  "tls_server_private_key", "tls_verify", "two_phase_commit_auto",
  "two_phase_commit_wal_checkpoint_interval", "two_phase_commit_wal_dir", "two_phase_commit_wal_fsync_interval",
  "two_phase_commit_wal_segment_size", "unique_id_function", "unique_id_min", "workers",
];
