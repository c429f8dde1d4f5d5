-- Work that no request waits for: one queue for every kind. Times are milliseconds by the clock of the database.
-- subject: what the job is about, where two of a kind about it would be one too many. lane: whose slowness it shares.
-- lease_owner, lease_until: who works on it, and for how long nobody else may. sealed: what only this job needs.
CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT,
  lane TEXT NOT NULL,
  application_id TEXT REFERENCES applications (id) ON DELETE CASCADE,
  consumer_id TEXT,
  sealed BYTEA,
  due_at BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  lease_owner TEXT,
  lease_until BIGINT NOT NULL,
  last_error TEXT,
  outcome TEXT,
  created_at BIGINT NOT NULL,
  done_at BIGINT,
  set_aside_at BIGINT
);
CREATE UNIQUE INDEX jobs_once ON jobs (kind, subject) WHERE done_at IS NULL AND set_aside_at IS NULL;
CREATE INDEX jobs_due ON jobs (kind, due_at) WHERE done_at IS NULL AND set_aside_at IS NULL;
CREATE INDEX jobs_by_application ON jobs (application_id);
CREATE INDEX jobs_done ON jobs (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX jobs_set_aside ON jobs (set_aside_at) WHERE set_aside_at IS NOT NULL;

-- Grants that were ended at their provider, or are being: evidence, which outlives the job of the same id, and its
-- application too.
-- granted_at names the consent that the token came from. status: what the provider's last answer began with.
CREATE TABLE revocations (
  id TEXT PRIMARY KEY,
  application_id TEXT NOT NULL,
  consumer_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  unified_api TEXT NOT NULL,
  service_id TEXT NOT NULL,
  granted_at BIGINT,
  outcome TEXT,
  status BIGINT,
  attempts BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  settled_at BIGINT
);
CREATE INDEX revocations_by_connection ON revocations (application_id, connection_id, created_at);
CREATE INDEX revocations_by_time ON revocations (created_at);

-- OAuth clients that their provider refuses, until it takes them again. client: '' is the integration's own, else a hash
-- of a consumer's. integration: the version that was refused; under another one the row says nothing. connection_id: whose
-- refresh was refused first, for that one alone may be to blame. opened_at: since when nobody but a probe asks, NULL while
-- it was only that one; probe_at: when the next may.
CREATE TABLE circuits (
  id TEXT NOT NULL UNIQUE,
  application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
  unified_api TEXT NOT NULL,
  service_id TEXT NOT NULL,
  client TEXT NOT NULL,
  integration BIGINT NOT NULL,
  connection_id TEXT NOT NULL,
  said TEXT NOT NULL,
  code TEXT,
  status BIGINT,
  refused_at BIGINT NOT NULL,
  opened_at BIGINT,
  probe_at BIGINT NOT NULL,
  PRIMARY KEY (application_id, unified_api, service_id, client)
);

-- The number of the last event of an application. Its row is what makes one event wait for the other.
CREATE TABLE event_numbers (
  application_id TEXT PRIMARY KEY REFERENCES applications (id) ON DELETE CASCADE,
  last BIGINT NOT NULL
);

-- Events, each with what its connection was at that moment, appended in the transaction of the change.
-- facts: JSON. settings: those that are no secrets, sealed. delivered_at: when every subscriber's delivery was queued.
CREATE TABLE events (
  application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
  number BIGINT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  consumer_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  unified_api TEXT NOT NULL,
  service_id TEXT NOT NULL,
  event_type TEXT NOT NULL,
  facts TEXT NOT NULL,
  settings BYTEA,
  occurred_at BIGINT NOT NULL,
  delivered_at BIGINT,
  PRIMARY KEY (application_id, number)
);
CREATE INDEX events_undelivered ON events (application_id, number) WHERE delivered_at IS NULL;
CREATE INDEX events_by_connection ON events (application_id, connection_id, number);
CREATE INDEX events_by_time ON events (occurred_at);

-- What the journal keeps ends by its age.
CREATE INDEX journal_by_time ON journal (at);

-- What became of writes that may be sent again (Idempotency-Key). name: a digest of whose key it is. sealed: what was
-- asked and, once there is one, the answer. held_until: until when somebody may wait for a write that is under way.
CREATE TABLE kept_answers (
  name TEXT PRIMARY KEY,
  application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
  connection_id TEXT NOT NULL,
  outcome TEXT NOT NULL,
  sealed BYTEA NOT NULL,
  held_until BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX kept_answers_by_application ON kept_answers (application_id);
CREATE INDEX kept_answers_by_expiry ON kept_answers (expires_at);
