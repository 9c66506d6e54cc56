-- +goose Up
-- A login that was made anew by a link ends that at the identity provider. The subject is
-- kept, or it would make a user anew.
ALTER TABLE users ADD COLUMN oidc_ended_at timestamptz;

-- +goose Down
ALTER TABLE users DROP COLUMN oidc_ended_at;
