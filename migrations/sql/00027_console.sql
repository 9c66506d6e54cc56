-- +goose Up
-- What people did to an installation, by the console and by commands. Rows are written
-- before the act, and get its result once: nothing else of them changes, and none goes.
CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,      -- the user's or token's name, or the account that ran a command
    origin text NOT NULL,     -- the address of who asked, or the host of the command
    via text NOT NULL CHECK (via IN ('console', 'api', 'mcp', 'command', 'telegram')),
    operation text NOT NULL,
    object text NOT NULL DEFAULT '',
    input jsonb,
    before jsonb,
    after jsonb,
    result text -- NULL until the act has ended, then 'done' or why not
);
CREATE INDEX audit_log_object ON audit_log (object, id);
-- +goose StatementBegin
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.result IS NULL AND NEW.result IS NOT NULL
        AND (NEW.id, NEW.at, NEW.actor, NEW.origin, NEW.via, NEW.operation, NEW.input) IS NOT DISTINCT FROM
            (OLD.id, OLD.at, OLD.actor, OLD.origin, OLD.via, OLD.operation, OLD.input) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit_log is append-only';
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_log_not_truncated BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

-- Who may use the console. A user has a password, passkeys, an account of an identity
-- provider, or several of them.
CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'director', 'editor', 'viewer')),
    password_hash text,       -- argon2id
    totp_sealed bytea,        -- the secret, sealed with the installation's keys
    totp_used bigint NOT NULL DEFAULT 0, -- the last time step of which a code was taken
    oidc_subject text UNIQUE, -- ISSUER SUBJECT
    disabled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_name ON users (lower(name));
CREATE TABLE user_passkeys (
    id bytea PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    name text NOT NULL,
    credential jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz
);
CREATE INDEX user_passkeys_user ON user_passkeys (user_id);
-- Links that work once: the first owner's and those of who is invited.
CREATE TABLE user_invitations (
    token_hash bytea PRIMARY KEY,
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'director', 'editor', 'viewer')),
    invited_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE TABLE user_tokens (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    name text NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'director', 'editor', 'viewer')),
    read_only boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX user_tokens_user ON user_tokens (user_id);
CREATE TABLE sessions (
    token text PRIMARY KEY,
    data bytea NOT NULL,
    expiry timestamptz NOT NULL
);
CREATE INDEX sessions_expiry ON sessions (expiry);
-- Answers to requests with an Idempotency-Key, which are not done a second time.
CREATE TABLE idempotency_keys (
    actor text NOT NULL,
    key text NOT NULL,
    operation text NOT NULL,
    request_hash bytea NOT NULL,
    status integer,
    answer jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
-- +goose Down
DROP TABLE idempotency_keys, sessions, user_tokens, user_invitations, user_passkeys, users, audit_log;
DROP FUNCTION audit_is_append_only();
