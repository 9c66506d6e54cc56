-- +goose Up

-- refused_since is when the first of the refusals came between which nothing was
-- delivered: suspended_at is that of the last.
ALTER TABLE cast_members ADD COLUMN refused_since timestamptz;
-- Why a chat gets no reactions, and since when; without a reason it allows none.
ALTER TABLE chats ADD COLUMN reactions_why text, ADD COLUMN reactions_closed_at timestamptz;

-- +goose Down
ALTER TABLE chats DROP COLUMN reactions_why, DROP COLUMN reactions_closed_at;
ALTER TABLE cast_members DROP COLUMN refused_since;
