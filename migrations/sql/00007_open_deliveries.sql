-- +goose Up

-- What a chat has still to send, in order: a claim asks for the first of it, and
-- must not read through all that was ever sent there.
CREATE INDEX deliveries_open ON deliveries (chat_id, action, turn_no) WHERE closed_at IS NULL;
DROP INDEX turns_open_chat;
CREATE INDEX turns_open_chat ON turns (chat_id, turn_no) WHERE outcome IS NULL AND kind <> 'reaction';

-- +goose Down
DROP INDEX turns_open_chat;
CREATE INDEX turns_open_chat ON turns (chat_id) WHERE outcome IS NULL AND kind <> 'reaction';
DROP INDEX deliveries_open;
