-- One text for SQLite and PostgreSQL: identifiers and JSON as TEXT, times as BIGINT milliseconds since 1970 UTC,
-- truth values as BIGINT 0 or 1, bytes as BYTEA (SQLite takes any type name). Migrations only add; a released
-- one is never edited.

-- Numbers that rise. The row `generation` serialises all changes of desired state.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('generation', 0);
INSERT INTO counters (name, value) VALUES ('fencing', 0);
-- Agents whose position is older than this may have missed a tombstone that is gone by now.
INSERT INTO counters (name, value) VALUES ('forgotten', 0);

-- Facts about this database, for example the id of the key its secrets are encrypted with.
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- What people write, all five kinds.
CREATE TABLE resources (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    project TEXT NOT NULL,
    labels TEXT NOT NULL,
    spec TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (kind, name)
);
CREATE INDEX resources_project ON resources (project, kind);

-- The values of secrets, AES-256-GCM, each bound to its secret's id.
CREATE TABLE secret_values (
    secret_id TEXT PRIMARY KEY REFERENCES resources (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    sealed BYTEA NOT NULL
);

-- Large documents, once per content, deflated.
CREATE TABLE definitions (
    fingerprint TEXT PRIMARY KEY,
    content BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE revisions (
    api_id TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    fingerprint TEXT NOT NULL,
    definition TEXT REFERENCES definitions (fingerprint),
    operations BIGINT NOT NULL,
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    PRIMARY KEY (api_id, number)
);
CREATE INDEX revisions_definition ON revisions (definition);

-- Which API of the catalog came from, or stands for, which object of a gateway.
CREATE TABLE api_sources (
    api_id TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    environment_id TEXT NOT NULL,
    external_ref TEXT NOT NULL,
    PRIMARY KEY (environment_id, external_ref)
);
CREATE INDEX api_sources_api ON api_sources (api_id);

-- What agents are told of environments; outlives the resource so that agents learn of its end.
CREATE TABLE environment_states (
    environment_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    gateway_type TEXT NOT NULL,
    generation BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE INDEX environment_states_type ON environment_states (gateway_type, generation);

-- What should be where. No foreign key to the API: a removal must survive it.
CREATE TABLE deployments (
    id TEXT PRIMARY KEY,
    api_id TEXT NOT NULL,
    api TEXT NOT NULL,
    environment_id TEXT NOT NULL REFERENCES environment_states (environment_id),
    revision BIGINT NOT NULL,
    base_path TEXT NOT NULL,
    absent BIGINT NOT NULL,
    desired TEXT NOT NULL,
    generation BIGINT NOT NULL,
    observed_generation BIGINT NOT NULL,
    phase TEXT NOT NULL,
    conditions TEXT NOT NULL,
    external_ref TEXT,
    endpoint_urls TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (api_id, environment_id)
);
CREATE INDEX deployments_work ON deployments (environment_id, generation);

-- Which secrets each desired state refers to: who may ask for a value, and whom a new value concerns.
CREATE TABLE deployment_secrets (
    deployment_id TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    secret TEXT NOT NULL,
    PRIMARY KEY (deployment_id, secret)
);
CREATE INDEX deployment_secrets_secret ON deployment_secrets (secret);

CREATE TABLE deployment_reports (
    deployment_id TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    agent_id TEXT NOT NULL,
    generation BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (deployment_id, agent_id)
);

CREATE TABLE agents (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    gateway_type TEXT NOT NULL,
    key_sha256 TEXT NOT NULL,
    descriptor TEXT,
    protocol BIGINT,
    session_at BIGINT,
    last_seen_at BIGINT,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX agents_type ON agents (gateway_type, session_at);

CREATE TABLE join_tokens (
    id TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    gateway_type TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    spent_at BIGINT,
    spent_by TEXT
);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE revoked_at IS NULL;

-- Who may act in an environment. `slot` is empty for the one lease of a shared gateway, and the agent's id
-- where every agent is a gateway of its own.
CREATE TABLE leases (
    environment_id TEXT NOT NULL REFERENCES environment_states (environment_id) ON DELETE CASCADE,
    slot TEXT NOT NULL,
    agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    fencing BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    PRIMARY KEY (environment_id, slot)
);
CREATE INDEX leases_agent ON leases (agent_id);

CREATE TABLE discoveries (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    filter TEXT NOT NULL,
    state TEXT NOT NULL,
    message TEXT,
    counts TEXT NOT NULL,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX discoveries_environment ON discoveries (environment_id, created_at);

-- Pages that have arrived whole; `attempt` says which rows of `discovered_items` belong to them.
CREATE TABLE discovery_pages (
    discovery_id TEXT NOT NULL REFERENCES discoveries (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    attempt TEXT NOT NULL,
    items BIGINT NOT NULL,
    PRIMARY KEY (discovery_id, number)
);

CREATE TABLE discovered_items (
    id TEXT PRIMARY KEY,
    discovery_id TEXT NOT NULL REFERENCES discoveries (id) ON DELETE CASCADE,
    page BIGINT NOT NULL,
    attempt TEXT NOT NULL,
    external_ref TEXT NOT NULL,
    name TEXT NOT NULL,
    item TEXT NOT NULL,
    class TEXT,
    classification TEXT,
    api_id TEXT,
    api TEXT,
    managed BIGINT NOT NULL
);
CREATE INDEX discovered_items_discovery ON discovered_items (discovery_id, page, attempt);

CREATE TABLE imports (
    id TEXT PRIMARY KEY,
    discovery_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    results TEXT NOT NULL
);

CREATE TABLE audit_events (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    details TEXT NOT NULL,
    request_id TEXT
);
CREATE INDEX audit_events_object ON audit_events (object, id);
