-- Whether a page came from an agent whose protocol tells no positions: nobody can go on after it, and it is not the end
-- of the listing because it has none.
ALTER TABLE discovery_pages ADD COLUMN blind INTEGER NOT NULL DEFAULT 0;
-- Of what is under way, nobody knows what kind of agent sent it: whoever takes it over begins anew.
UPDATE discovery_pages SET blind = 1 WHERE position IS NULL
    AND discovery_id IN (SELECT id FROM discoveries WHERE finished_at IS NULL);
UPDATE discoveries SET pages = 0, position = NULL WHERE finished_at IS NULL AND position IS NULL;
