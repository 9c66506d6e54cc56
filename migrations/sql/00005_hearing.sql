-- +goose Up

-- former_id is a supergroup's id while it was a basic group: what bots were told
-- before the upgrade still comes under it. found_at is set where nobody asked for
-- the chat: one of our bots was added to it.
ALTER TABLE chats
    ADD COLUMN former_id bigint UNIQUE CHECK (former_id < 0),
    ADD COLUMN found_at  timestamptz;

-- In a basic group every bot gets a copy under an id of its own. original is a
-- hash of the text as it was first heard, by which the copies are told to be the
-- same message even after an edit; NULL in supergroups.
ALTER TABLE messages ADD COLUMN original bigint;
CREATE INDEX messages_original ON messages (chat_id, original, sent_at) WHERE original IS NOT NULL;

-- What a listener knows of a chat. Whoever hears something locks the row, so that
-- the numbers of the updates follow the order in which they are committed.
CREATE TABLE hearing (
    chat_id      bigint PRIMARY KEY REFERENCES chats ON DELETE CASCADE,
    -- The number of the chat's last update.
    update_no    bigint NOT NULL DEFAULT 0 CHECK (update_no >= 0),
    -- Since when an administrator of the chat wants it quiet, and until when; no
    -- end is until /resume.
    paused_at    timestamptz,
    paused_until timestamptz,
    CHECK (paused_until IS NULL OR paused_at IS NOT NULL)
) WITH (fillfactor = 50);
CREATE INDEX hearing_paused ON hearing (paused_until) WHERE paused_until IS NOT NULL;

-- How far the updates of a bot are read.
CREATE TABLE listening (
    bot_id        bigint PRIMARY KEY REFERENCES bots ON DELETE CASCADE,
    update_offset bigint NOT NULL CHECK (update_offset >= 0)
) WITH (fillfactor = 50);

-- The updates that were heard, for as long as Telegram may repeat them.
CREATE TABLE heard (
    bot_id    bigint      NOT NULL REFERENCES bots ON DELETE CASCADE,
    update_id bigint      NOT NULL,
    heard_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bot_id, update_id)
);
CREATE INDEX heard_at ON heard (heard_at);

-- What happened in a chat, other than messages, for as long as another bot may
-- tell of it.
CREATE TABLE heard_events (
    chat_id  bigint      NOT NULL REFERENCES chats ON DELETE CASCADE,
    event    text        NOT NULL,
    heard_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chat_id, event)
);
CREATE INDEX heard_events_at ON heard_events (heard_at);

-- The updates of the chats, which are published in the order of their numbers.
CREATE TABLE updates (
    chat_id      bigint      NOT NULL REFERENCES chats ON DELETE CASCADE,
    number       bigint      NOT NULL CHECK (number > 0),
    -- Whose text it holds, or who else acted.
    person_id    bigint,
    -- The Update exactly as it is published; NULL once it is.
    payload      bytea,
    heard_at     timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    bus_sequence bigint,
    PRIMARY KEY (chat_id, number),
    CHECK ((published_at IS NULL) = (payload IS NOT NULL))
);
CREATE INDEX updates_unpublished ON updates (chat_id, number) WHERE published_at IS NULL;
CREATE INDEX updates_person ON updates (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX updates_heard ON updates (heard_at);

-- Commands that were heard and wait for their answer.
CREATE TABLE commands (
    chat_id   bigint      NOT NULL REFERENCES chats ON DELETE CASCADE,
    -- The number of the message that it stands in.
    message   bigint      NOT NULL,
    -- Who got it, or whom it names.
    bot_id    bigint      NOT NULL REFERENCES bots ON DELETE CASCADE,
    person_id bigint      NOT NULL,
    -- Whether it was written in the name of the chat, as only administrators can.
    anonymous boolean     NOT NULL,
    name      text        NOT NULL CHECK (name IN ('about', 'pause', 'resume', 'quiet', 'status', 'forgetme')),
    argument  text        NOT NULL,
    said_at   timestamptz NOT NULL,
    -- When it is looked at next, and how often it was.
    next_at   timestamptz NOT NULL DEFAULT now(),
    attempts  integer     NOT NULL DEFAULT 0,
    PRIMARY KEY (chat_id, message)
);
CREATE INDEX commands_next ON commands (next_at);

-- Who wants to be forgotten, for as long as a bot may tell of what they said
-- before.
CREATE TABLE forgotten (
    person_id bigint PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE forgotten, commands, updates, heard_events, heard, listening, hearing;
DROP INDEX messages_original;
ALTER TABLE messages DROP COLUMN original;
ALTER TABLE chats DROP COLUMN former_id, DROP COLUMN found_at;
