-- +goose Up
-- The turns that ended in a way, by time. What changes the outcome of a turn changes
-- closed_at, too, which other indexes have: so no change of a turn rewrites more than before.
CREATE INDEX turns_ended ON turns (outcome, planned_at) WHERE closed_at IS NOT NULL;
-- How often a provider was called on a day.
ALTER TABLE llm_spending ADD COLUMN calls bigint NOT NULL DEFAULT 0;
-- +goose Down
ALTER TABLE llm_spending DROP COLUMN calls;
DROP INDEX turns_ended;
