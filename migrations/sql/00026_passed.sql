-- +goose Up
-- A turn whose writer had nothing to add ends as passed.
ALTER TABLE turns DROP CONSTRAINT turns_outcome_check,
    ADD CONSTRAINT turns_outcome_check CHECK (outcome IN ('delivered', 'fell_back', 'rejected', 'expired', 'unknown', 'dead', 'passed'));
-- +goose Down
UPDATE turns SET outcome = 'rejected' WHERE outcome = 'passed';
ALTER TABLE turns DROP CONSTRAINT turns_outcome_check,
    ADD CONSTRAINT turns_outcome_check CHECK (outcome IN ('delivered', 'fell_back', 'rejected', 'expired', 'unknown', 'dead'));
