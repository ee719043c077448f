-- A run that found exactly what the one before it found has no findings of its own, but those of that run.
ALTER TABLE discoveries ADD COLUMN findings_of TEXT;
CREATE INDEX discoveries_findings_of ON discoveries (findings_of);
-- The run that took stock of an environment last, and a fingerprint of the catalog that it compared with.
CREATE TABLE last_runs (
    environment_id TEXT PRIMARY KEY,
    discovery_id TEXT NOT NULL REFERENCES discoveries (id) ON DELETE CASCADE,
    catalog TEXT
);
