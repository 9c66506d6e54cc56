-- +goose Up

-- What a bot said lately, and what of it is still to be sent, is looked for here: the
-- messages are spread over many tables by their chats.
CREATE INDEX deliveries_text ON deliveries (bot_id, created_at) WHERE body IS NOT NULL;
DROP INDEX deliveries_open_text;
DROP INDEX messages_bot;

-- +goose Down
CREATE INDEX messages_bot ON messages (bot_id, sent_at DESC) WHERE bot_id IS NOT NULL;
CREATE INDEX deliveries_open_text ON deliveries (bot_id) WHERE closed_at IS NULL AND body IS NOT NULL;
DROP INDEX deliveries_text;
