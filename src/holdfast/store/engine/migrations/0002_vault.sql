-- Applications and what they may do. Times are milliseconds since the epoch; lists and objects are JSON text.
-- deleting_at: since when it is nobody's any more, and its grants are being ended.
CREATE TABLE applications (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  redirect_uris TEXT NOT NULL,
  confirmation TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  deleting_at BIGINT,
  version BIGINT NOT NULL
);

-- mac: of the key's text, by which it is found. row_mac: of what the row says. mac_key_id: the instance key of both.
-- sealed: the key's text. bounds: where the key may act; NULL is everywhere.
CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
  mac BYTEA NOT NULL UNIQUE,
  mac_key_id TEXT NOT NULL,
  row_mac BYTEA NOT NULL,
  sealed BYTEA NOT NULL,
  scopes TEXT NOT NULL,
  bounds TEXT,
  last_four TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX api_keys_by_application ON api_keys (application_id);

-- sealed: the client secret and the settings of level "integration", bound to client_id; has_client_secret and
-- settings_set tell which there are without opening it. A row that is made anew counts its version and generation on from
-- the time, so no earlier row of the same name had them.
CREATE TABLE integrations (
  application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
  unified_api TEXT NOT NULL,
  service_id TEXT NOT NULL,
  enabled BOOLEAN NOT NULL,
  client_id TEXT,
  has_client_secret BOOLEAN NOT NULL,
  scopes TEXT,
  settings_set TEXT NOT NULL,
  sealed BYTEA,
  generation BIGINT NOT NULL,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (application_id, unified_api, service_id)
);

-- What the proxy lets through for an application: a JSON list of rules.
CREATE TABLE proxy_policies (
  application_id TEXT PRIMARY KEY REFERENCES applications (id) ON DELETE CASCADE,
  rules TEXT NOT NULL,
  version BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

-- consents: the number of the last consent that was to be given to a connection of this consumer.
CREATE TABLE consumers (
  application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
  consumer_id TEXT NOT NULL,
  metadata TEXT NOT NULL,
  consents BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (application_id, consumer_id)
);

-- Facts of a connection; its state is derived. settings, secrets and credential are sealed, each under its own
-- generation; masks are digests of the secrets, which tell them apart without opening one. failure: the last refresh
-- that gave nothing.
-- consent: the number of the consent that the credential is from; a lower one never takes its place. made_by: the attempt
-- or the consent that stored this very credential, which tells a lost acknowledgement from a lost race.
-- attempt: counts the claims to refresh it, and never goes back. attempt_state: 'claimed', or 'sent' once the refresh
-- token may have left. lease_owner, lease_until: which process has the claim, and until when, by the database's clock.
-- learned_life: how long its access tokens were seen to live (ms), where the provider does not tell.
-- due_at: when the worker looks after it, though nobody may be using it; NULL is never.
CREATE TABLE connections (
  application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
  consumer_id TEXT NOT NULL,
  unified_api TEXT NOT NULL,
  service_id TEXT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  enabled BOOLEAN NOT NULL,
  settings BYTEA,
  settings_generation BIGINT NOT NULL,
  secrets BYTEA,
  secrets_generation BIGINT NOT NULL,
  masks TEXT,
  metadata TEXT,
  configuration TEXT,
  choices TEXT,
  credential BYTEA,
  credential_generation BIGINT NOT NULL,
  granted_at BIGINT,
  issued_at BIGINT,
  expires_at BIGINT,
  refreshable BOOLEAN NOT NULL,
  refresh_expires_at BIGINT,
  learned_life BIGINT NOT NULL DEFAULT 0,
  due_at BIGINT,
  consent_state TEXT NOT NULL,
  unreadable_at BIGINT NOT NULL,
  revoked_at BIGINT NOT NULL,
  pending_until BIGINT NOT NULL,
  validation TEXT,
  failure TEXT,
  retained_until BIGINT NOT NULL,
  last_downstream_error_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT,
  version BIGINT NOT NULL,
  consent BIGINT NOT NULL DEFAULT 0,
  made_by BIGINT NOT NULL DEFAULT 0,
  attempt BIGINT NOT NULL DEFAULT 0,
  attempt_state TEXT,
  lease_owner TEXT,
  lease_until BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (application_id, consumer_id, unified_api, service_id)
);
-- By service, so that the head of each one's queue is one step into the index, however long the others' are.
CREATE INDEX connections_due ON connections (service_id, due_at) WHERE due_at IS NOT NULL;

-- Each time that a refresh token was given to its provider, until the connection has another credential: what an attempt
-- leaves behind when its process dies. settles_at: from then on the provider acts on it no more. outcome: 'none' if the
-- sender has said that it holds no answer, 'refused', or nothing while it has not spoken. told_at: when that was told.
CREATE TABLE presentations (
  connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
  attempt BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  node TEXT NOT NULL,
  process TEXT NOT NULL,
  presented_at BIGINT NOT NULL,
  settles_at BIGINT NOT NULL,
  outcome TEXT,
  told_at BIGINT,
  PRIMARY KEY (connection_id, attempt)
);
CREATE INDEX presentations_silent ON presentations (node, process) WHERE outcome IS NULL;
CREATE INDEX presentations_untold ON presentations (settles_at) WHERE told_at IS NULL;

-- An authorization that is under way, spent by one UPDATE. sealed: the PKCE verifier or null, bound to all else that
-- the row says.
CREATE TABLE flows (
  state_mac BYTEA PRIMARY KEY,
  application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
  consumer_id TEXT NOT NULL,
  unified_api TEXT NOT NULL,
  service_id TEXT NOT NULL,
  context TEXT NOT NULL,
  redirect_uri TEXT,
  nonce TEXT,
  confirms BOOLEAN NOT NULL,
  binding_mac BYTEA,
  sealed BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  spent_at BIGINT,
  ended_at BIGINT
);
CREATE INDEX flows_by_connection ON flows (application_id, consumer_id, unified_api, service_id, created_at);
CREATE INDEX flows_by_expiry ON flows (expires_at);

-- A code that waits for its consumer's confirmation. sealed: the code, its verifier and what the callback brought, bound
-- to whose it is and until when.
CREATE TABLE confirmations (
  token_mac BYTEA PRIMARY KEY,
  application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
  consumer_id TEXT NOT NULL,
  unified_api TEXT NOT NULL,
  service_id TEXT NOT NULL,
  sealed BYTEA NOT NULL,
  tries BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  spent_at BIGINT,
  ended_at BIGINT
);
CREATE INDEX confirmations_by_expiry ON confirmations (expires_at);

-- Who opened which credential, and why; written before the credential is used. With reason "call": what was called with
-- it; path without values, status NULL if there was no answer.
CREATE TABLE journal (
  id TEXT PRIMARY KEY,
  application_id TEXT NOT NULL,
  consumer_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL,
  generation BIGINT NOT NULL,
  at BIGINT NOT NULL,
  method TEXT,
  host TEXT,
  path TEXT,
  status BIGINT
);
CREATE INDEX journal_by_connection ON journal (connection_id, at);
