-- +goose Up
-- How a persona writes; what is not given follows from its tone, energy and name.
ALTER TABLE personas ADD COLUMN voice jsonb NOT NULL DEFAULT '{}';
-- +goose Down
ALTER TABLE personas DROP COLUMN voice;
