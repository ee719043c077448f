-- What was changed by hand on the gateway and is overwritten by a deploy, as JSON: with the deployment until the gateway
-- confirms it, then with the history.
ALTER TABLE deployments ADD COLUMN overwritten TEXT;
ALTER TABLE deployment_history ADD COLUMN overwritten TEXT;
