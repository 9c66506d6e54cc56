-- +goose Up
-- What people decided on texts that waited for them: of one version of a text, once.
CREATE TABLE decisions (
    chat_id bigint NOT NULL,
    turn_no bigint NOT NULL,
    version bigint NOT NULL, -- the turn's fence as it was looked at
    what text NOT NULL CHECK (what IN ('sent', 'edited', 'discarded', 'rewritten')),
    by text NOT NULL CHECK (by <> ''),
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chat_id, turn_no, version),
    FOREIGN KEY (chat_id, turn_no) REFERENCES turns ON DELETE CASCADE
);

-- Where texts that wait are shown to operators: a turn of the operators' chat.
CREATE TABLE notices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chat_id bigint NOT NULL,
    turn_no bigint NOT NULL,
    version bigint NOT NULL,
    bot_id bigint NOT NULL, -- who shows it
    shown_chat bigint NOT NULL,
    shown_turn bigint NOT NULL,
    closed_at timestamptz, -- when it was told what became of the text
    UNIQUE (chat_id, turn_no, version),
    FOREIGN KEY (chat_id, turn_no) REFERENCES turns ON DELETE CASCADE,
    FOREIGN KEY (shown_chat, shown_turn) REFERENCES turns ON DELETE CASCADE
);
CREATE INDEX notices_shown ON notices (shown_chat, shown_turn);
CREATE INDEX notices_open ON notices (id) WHERE closed_at IS NULL;

-- What people asked for by buttons below notices, and by answers to them, until it is done.
CREATE TABLE presses (
    bot_id bigint NOT NULL REFERENCES bots ON DELETE CASCADE,
    update_id bigint NOT NULL,
    query text NOT NULL, -- Telegram's id, by which it is answered; empty for a message
    shown_in bigint NOT NULL, -- Telegram's id of the chat
    person_id bigint NOT NULL,
    name text NOT NULL,
    act text NOT NULL,
    notice bigint NOT NULL,
    body text NOT NULL,
    next_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- the fence of whoever does it
    PRIMARY KEY (bot_id, update_id)
);
CREATE INDEX presses_next ON presses (next_at);

-- A private chat with an operator: nobody plays in it.
ALTER TABLE chats DROP CONSTRAINT chats_telegram_id_check, DROP CONSTRAINT chats_kind_check,
    ADD CONSTRAINT chats_kind_check CHECK (kind IN ('group', 'supergroup', 'private')),
    ADD CONSTRAINT chats_telegram_id_check CHECK (telegram_id <> 0 AND (kind = 'private') = (telegram_id > 0)),
    ADD CONSTRAINT chats_private_check CHECK (kind <> 'private' OR NOT enabled);

-- +goose Down
DELETE FROM chats WHERE kind = 'private';
ALTER TABLE chats DROP CONSTRAINT chats_telegram_id_check, DROP CONSTRAINT chats_kind_check, DROP CONSTRAINT chats_private_check,
    ADD CONSTRAINT chats_kind_check CHECK (kind IN ('group', 'supergroup')),
    ADD CONSTRAINT chats_telegram_id_check CHECK (telegram_id < 0);
DROP TABLE presses, notices, decisions;
