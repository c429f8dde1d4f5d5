-- Data keys, each wrapped by a master key. The application '' stands for the instance itself. Of an application's keys
-- the highest number whose active_from has come seals, and every one of them opens. A key that is added with an
-- active_from in the future is known to every node before anybody seals with it. One number is one key, so two
-- nodes that add a key at once do not both succeed.
CREATE TABLE data_keys (
  application_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  number BIGINT NOT NULL,
  master_key_id TEXT NOT NULL,
  wrapped BYTEA NOT NULL,
  active_from BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (application_id, key_id),
  UNIQUE (application_id, number)
);
