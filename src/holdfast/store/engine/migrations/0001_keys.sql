-- One data key per application, wrapped by a master key. The application '' stands for the instance itself.
CREATE TABLE data_keys (
  application_id TEXT PRIMARY KEY,
  key_id TEXT NOT NULL,
  master_key_id TEXT NOT NULL,
  wrapped BYTEA NOT NULL,
  created_at BIGINT NOT NULL
);
