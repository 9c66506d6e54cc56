-- +goose Up
-- What was applied of casts, as files without tokens: for a look at who changed what, and
-- for the way back.
CREATE TABLE cast_versions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,      -- who applied it, as in audit_log; a command is named "chorus apply"
    file text NOT NULL,       -- the whole cast after it, as chorus export writes it
    changes jsonb NOT NULL    -- what it changed
);
-- +goose Down
DROP TABLE cast_versions;
