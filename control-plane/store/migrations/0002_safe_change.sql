-- Confirmed and applied deployments, observations, steps, history, plans, tasks, inventory, ignore list, schedules.

ALTER TABLE deployments ADD COLUMN confirmed BIGINT NOT NULL DEFAULT 0;
-- What a plan saw on the gateway, as JSON; the gateway must still hold it when the work begins.
ALTER TABLE deployments ADD COLUMN expected TEXT;
-- The one object without our mark that may be taken over.
ALTER TABLE deployments ADD COLUMN adopt TEXT;
ALTER TABLE deployments ADD COLUMN accept_loss BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deployments ADD COLUMN priority TEXT NOT NULL DEFAULT 'Normal';
ALTER TABLE deployments ADD COLUMN requested_by TEXT NOT NULL DEFAULT 'system';
ALTER TABLE deployments ADD COLUMN plan_id TEXT;
CREATE INDEX deployments_plan ON deployments (plan_id);

-- What was last confirmed to be on the gateway; apart, so that lists of deployments stay light.
CREATE TABLE deployment_applied (
    deployment_id TEXT PRIMARY KEY REFERENCES deployments (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    applied TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- What was last seen on the gateway; no observation means: exactly what is desired.
CREATE TABLE deployment_observations (
    deployment_id TEXT PRIMARY KEY REFERENCES deployments (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    observation TEXT,
    at BIGINT NOT NULL
);

-- The object is part of the key: another attempt may number its steps otherwise, and what an earlier one may have made
-- must not be forgotten. `sequence` says which was recorded last.
CREATE TABLE deployment_steps (
    deployment_id TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    number BIGINT NOT NULL,
    object TEXT NOT NULL,
    total BIGINT,
    description TEXT NOT NULL,
    state TEXT NOT NULL,
    remaining_ms BIGINT,
    sequence BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (deployment_id, generation, number, object)
);
INSERT INTO counters (name, value) VALUES ('step', 0);

-- What was confirmed where, one after the other; no revision means a removal. Outlives the deployment.
CREATE TABLE deployment_history (
    api_id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    generation BIGINT NOT NULL,
    revision BIGINT,
    at BIGINT NOT NULL,
    requested_by TEXT NOT NULL,
    PRIMARY KEY (api_id, environment_id, generation)
);
CREATE INDEX deployment_history_environment ON deployment_history (environment_id);

-- What gateways were said to hold before this schema is confirmed and applied.
UPDATE deployments SET confirmed = 1 WHERE absent = 0 AND phase = 'Deployed' AND observed_generation = generation;
INSERT INTO deployment_applied (deployment_id, generation, applied, at)
    SELECT id, generation, desired, updated_at FROM deployments WHERE confirmed = 1;
INSERT INTO deployment_history (api_id, environment_id, generation, revision, at, requested_by)
    SELECT api_id, environment_id, generation, revision, updated_at, requested_by FROM deployments WHERE confirmed = 1;

CREATE TABLE plans (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    strategy TEXT NOT NULL,
    accept_loss BIGINT NOT NULL,
    fingerprint TEXT,
    items TEXT NOT NULL,
    internals TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    applied_at BIGINT,
    applied_by TEXT
);
CREATE INDEX plans_state ON plans (state, id);

CREATE TABLE plan_targets (
    plan_id TEXT NOT NULL REFERENCES plans (id) ON DELETE CASCADE,
    api TEXT NOT NULL,
    environment TEXT NOT NULL,
    PRIMARY KEY (plan_id, api, environment)
);
CREATE INDEX plan_targets_api ON plan_targets (api);
CREATE INDEX plan_targets_environment ON plan_targets (environment);

CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL,
    environment TEXT NOT NULL,
    task TEXT NOT NULL,
    state TEXT NOT NULL,
    result TEXT,
    generation BIGINT NOT NULL,
    plan_id TEXT,
    plan_item BIGINT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX tasks_open ON tasks (state, environment_id);
CREATE INDEX tasks_plan ON tasks (plan_id);

-- What the discoveries of each environment last saw. `removed_at` makes a row the mark of what is gone.
CREATE TABLE inventory (
    environment_id TEXT NOT NULL,
    external_ref TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT,
    fingerprint TEXT NOT NULL,
    content_fingerprint TEXT NOT NULL,
    tags TEXT NOT NULL,
    item BYTEA NOT NULL,
    first_seen_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    missing_runs BIGINT NOT NULL DEFAULT 0,
    missing_since BIGINT,
    needs_approval BIGINT NOT NULL DEFAULT 0,
    approved BIGINT NOT NULL DEFAULT 0,
    removed_at BIGINT,
    removed_api_id TEXT,
    message TEXT,
    PRIMARY KEY (environment_id, external_ref)
);

-- What an API's gateway calls it; what was last imported: the spec, and the fingerprint of the observed content.
ALTER TABLE api_sources ADD COLUMN name TEXT;
ALTER TABLE api_sources ADD COLUMN base TEXT;
ALTER TABLE api_sources ADD COLUMN imported_fingerprint TEXT;

-- The sources of what counts as removed: if it comes back, it is the API it was, with what was imported of it.
CREATE TABLE removed_sources (
    api_id TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    environment_id TEXT NOT NULL,
    external_ref TEXT NOT NULL,
    name TEXT,
    base TEXT,
    imported_fingerprint TEXT,
    PRIMARY KEY (environment_id, external_ref)
);
CREATE INDEX removed_sources_api ON removed_sources (api_id);

CREATE TABLE ignored_apis (
    environment_id TEXT NOT NULL,
    external_ref TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    PRIMARY KEY (environment_id, external_ref)
);

-- `pages` have arrived without a gap; `position` is the connector's after the last of them.
ALTER TABLE discoveries ADD COLUMN found BIGINT NOT NULL DEFAULT 0;
ALTER TABLE discoveries ADD COLUMN pages BIGINT NOT NULL DEFAULT 0;
ALTER TABLE discoveries ADD COLUMN position TEXT;
ALTER TABLE discoveries ADD COLUMN scheduled BIGINT NOT NULL DEFAULT 0;
UPDATE discoveries SET found = (SELECT COALESCE(SUM(items), 0) FROM discovery_pages
    WHERE discovery_pages.discovery_id = discoveries.id);

-- `seen` holds the references of what arrived as unchanged: a deflated JSON array per page.
ALTER TABLE discovery_pages ADD COLUMN seen BYTEA;
ALTER TABLE discovery_pages ADD COLUMN position TEXT;

-- An API is kept as deflated JSON in `packed`, or in the inventory alone; `item` holds what is small.
ALTER TABLE discovered_items ADD COLUMN packed BYTEA;
ALTER TABLE discovered_items ADD COLUMN in_inventory BIGINT NOT NULL DEFAULT 0;
ALTER TABLE discovered_items ADD COLUMN version TEXT;
ALTER TABLE discovered_items ADD COLUMN fingerprint TEXT;
ALTER TABLE discovered_items ADD COLUMN content_fingerprint TEXT;
ALTER TABLE discovered_items ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';

-- When something is next due in an environment; no time while whoever took it up works out the next.
CREATE TABLE schedules (
    environment_id TEXT NOT NULL,
    what TEXT NOT NULL,
    expression TEXT NOT NULL,
    due_at BIGINT,
    PRIMARY KEY (environment_id, what)
);
CREATE INDEX schedules_due ON schedules (due_at);
