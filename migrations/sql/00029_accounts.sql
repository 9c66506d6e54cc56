-- +goose Up
-- A link may also set a user's login anew; NULL where it makes a new user.
ALTER TABLE user_invitations ADD COLUMN user_id bigint REFERENCES users ON DELETE CASCADE;
-- Whose a session is, so that it can be listed and ended; NULL before the login.
ALTER TABLE sessions
    ADD COLUMN user_id bigint REFERENCES users ON DELETE CASCADE,
    ADD COLUMN origin text NOT NULL DEFAULT '',
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX sessions_user ON sessions (user_id);
-- Who tried to log in and failed, by name and by address, and when the next try counts.
CREATE TABLE login_failures (
    who text PRIMARY KEY,
    failures integer NOT NULL,
    next_at timestamptz NOT NULL
);
CREATE INDEX login_failures_next ON login_failures (next_at);
-- +goose Down
DROP TABLE login_failures;
ALTER TABLE sessions DROP COLUMN user_id, DROP COLUMN origin, DROP COLUMN created_at;
ALTER TABLE user_invitations DROP COLUMN user_id;
