-- +goose Up

-- Until when Telegram wants nothing of a bot in a chat (429, retry_after); chat 0 is
-- for all chats. A row is written with each 429, so that each sender, and one that
-- starts later, keeps to it, with or without Redis.
CREATE TABLE waits (
    bot_id  bigint      NOT NULL,
    chat_id bigint      NOT NULL,
    until   timestamptz NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bot_id, chat_id)
) WITH (fillfactor = 50);

-- +goose Down
DROP TABLE waits;
