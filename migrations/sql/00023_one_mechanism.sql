-- +goose Up
-- Rows are claimed by who works on them, and the bus only tells that there are some.
-- So nothing is kept any more of what was published.

-- owner is the process that has a row (its advisory lock tells whether it lives), and
-- fence rises with every claim: a row is changed only by whoever knows its fence. A
-- claim ends with claimed_until, should its owner live but stand still. not_before is
-- when a row may be claimed again.
ALTER TABLE turns
    DROP COLUMN publication, DROP COLUMN published_at, DROP COLUMN bus_sequence, DROP COLUMN relay_at,
    ADD COLUMN owner         integer,
    ADD COLUMN fence         bigint      NOT NULL DEFAULT 0,
    ADD COLUMN claimed_until timestamptz,
    ADD COLUMN not_before    timestamptz,
    ADD COLUMN attempts      integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- When the turn got its deliveries, or ended without any.
    ADD COLUMN written_at    timestamptz,
    -- Why it ended as it did; empty when delivered.
    ADD COLUMN reason        text        NOT NULL DEFAULT '';

ALTER TABLE turns DROP CONSTRAINT turns_kind_check, DROP CONSTRAINT turns_check2;
UPDATE turns t SET
    written_at = coalesce(t.closed_at, (SELECT d.created_at FROM deliveries d WHERE (d.chat_id, d.turn_no) = (t.chat_id, t.turn_no))),
    reason = coalesce((SELECT r.reason FROM receipts r WHERE (r.chat_id, r.turn_no) = (t.chat_id, t.turn_no)), ''),
    kind = CASE WHEN topic LIKE '/%' THEN 'command' ELSE kind END;
ALTER TABLE turns
    -- A command is the answer to one that a person gave a bot. It is no talk.
    ADD CONSTRAINT turns_kind_check CHECK (kind IN ('message', 'reply', 'reaction', 'command')),
    ADD CONSTRAINT turns_target_check CHECK ((kind = 'message') = (target_message IS NULL) OR kind = 'command'),
    ADD CONSTRAINT turns_claim_check CHECK ((owner IS NULL) = (claimed_until IS NULL)),
    ADD CONSTRAINT turns_written_check CHECK (closed_at IS NULL OR written_at IS NOT NULL);
-- What is open in a chat, in order. The predicate changes once in the life of a row: only
-- its end rewrites the indexes.
DROP INDEX turns_open, turns_open_chat, turns_commands;
CREATE UNIQUE INDEX turns_open ON turns (chat_id, turn_no) WHERE closed_at IS NULL;
CREATE INDEX turns_commands ON turns (chat_id, planned_at) WHERE kind = 'command';

ALTER TABLE deliveries DROP CONSTRAINT deliveries_state_check, DROP CONSTRAINT deliveries_check2;
-- The kinds of deliveries stand in one table, in the code.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_action_check, DROP CONSTRAINT deliveries_check3, DROP CONSTRAINT deliveries_check5;
ALTER TABLE deliveries
    -- A turn may have several deliveries, which are made in the order of their parts.
    ADD COLUMN part          smallint    NOT NULL DEFAULT 1 CHECK (part > 0),
    -- Deliveries of one lane wait for each other, those of others don't.
    ADD COLUMN lane          text        CHECK (lane IN ('message', 'reaction', 'command')),
    ADD COLUMN claimed_until timestamptz,
    ADD COLUMN outcome       text        CHECK (outcome IN ('delivered', 'fell_back', 'rejected', 'expired', 'unknown', 'dead')),
    ADD COLUMN reason        text        NOT NULL DEFAULT '',
    DROP COLUMN owner, DROP COLUMN claimed_at, DROP COLUMN publication, DROP COLUMN published_at, DROP COLUMN bus_sequence, DROP COLUMN relay_at;
ALTER TABLE deliveries ADD COLUMN owner integer;
UPDATE deliveries d SET
    state = CASE state WHEN 'closed' THEN 'closed' ELSE 'waiting' END,
    lane = CASE WHEN t.kind = 'command' THEN 'command' WHEN action = 'set_reaction' THEN 'reaction' ELSE 'message' END,
    outcome = CASE WHEN state = 'closed' THEN coalesce(t.outcome, 'unknown') END
FROM turns t WHERE (t.chat_id, t.turn_no) = (d.chat_id, d.turn_no);
ALTER TABLE deliveries
    ALTER COLUMN lane SET NOT NULL,
    ALTER COLUMN state SET DEFAULT 'waiting',
    -- waiting: nobody has it. claimed: a sender has it and has made no call. sending: a
    -- call may have been made. closed: it has its outcome.
    ADD CONSTRAINT deliveries_state_check CHECK (state IN ('waiting', 'claimed', 'sending', 'closed')),
    ADD CONSTRAINT deliveries_claim_check CHECK ((state IN ('claimed', 'sending')) = (owner IS NOT NULL) AND (owner IS NULL) = (claimed_until IS NULL)),
    ADD CONSTRAINT deliveries_wait_check CHECK (not_before IS NULL OR state = 'waiting'),
    ADD CONSTRAINT deliveries_outcome_check2 CHECK ((state = 'closed') = (outcome IS NOT NULL)),
    DROP CONSTRAINT deliveries_pkey,
    ADD PRIMARY KEY (chat_id, turn_no, part);
DROP INDEX deliveries_open, deliveries_parked;
CREATE UNIQUE INDEX deliveries_open ON deliveries (lane, chat_id, turn_no, part) WHERE closed_at IS NULL;

-- Messages stand in one table, and so do their ids. A supergroup's id stands with the
-- message. To open partitions, their indexes and their keys took a statement more time
-- than its rows did.
CREATE TABLE whole_messages (
    chat_id     bigint      NOT NULL,
    number      bigint      NOT NULL DEFAULT nextval('message_numbers'),
    -- Bots are never deleted. To look at a bot's row for each message locks a row that
    -- all of a bot's want at the same time.
    bot_id      bigint,
    person_id   bigint,
    -- The delivery that it was sent for, where a bot sent it.
    turn_no     bigint,
    part        smallint    NOT NULL DEFAULT 1,
    -- Which message it answers. That one may have been deleted since.
    reply_to    bigint,
    -- Its id in a supergroup. In a basic group each bot has its own: see message_ids.
    telegram_id bigint,
    body        text        NOT NULL,
    sent_at     timestamptz NOT NULL,
    edited_at   timestamptz,
    original    bigint,
    talk        boolean     NOT NULL DEFAULT true
);
INSERT INTO whole_messages (chat_id, number, bot_id, person_id, turn_no, reply_to, telegram_id, body, sent_at, edited_at, original, talk)
    SELECT m.chat_id, m.number, bot_id, person_id, turn_no, reply_to, i.telegram_id, body, sent_at, edited_at, original, talk
    FROM messages m LEFT JOIN message_ids i ON i.chat_id = m.chat_id AND i.number = m.number AND i.viewer = 0;
CREATE TABLE whole_message_ids AS SELECT chat_id, viewer, telegram_id, number FROM message_ids WHERE viewer > 0;
DROP TABLE message_ids, messages;
ALTER TABLE whole_messages RENAME TO messages;
ALTER TABLE messages
    ADD PRIMARY KEY (chat_id, number),
    ADD UNIQUE (chat_id, turn_no, part),
    ADD FOREIGN KEY (chat_id) REFERENCES chats ON DELETE CASCADE,
    ADD FOREIGN KEY (person_id) REFERENCES people ON DELETE CASCADE,
    ADD CONSTRAINT messages_author_check CHECK ((bot_id IS NULL) <> (person_id IS NULL)),
    ADD CONSTRAINT messages_turn_check CHECK (turn_no IS NULL OR bot_id IS NOT NULL),
    ADD CHECK (length(body) BETWEEN 1 AND 4096),
    ADD CHECK (part > 0),
    ADD CHECK (telegram_id > 0);
CREATE INDEX messages_recent ON messages (chat_id, sent_at DESC, number DESC);
-- A server that was made anew may give an id again: the newest message has it.
CREATE INDEX messages_telegram ON messages (chat_id, telegram_id, number) WHERE telegram_id IS NOT NULL;
CREATE INDEX messages_person ON messages (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX messages_original ON messages (chat_id, original, sent_at) WHERE original IS NOT NULL;
ALTER TABLE whole_message_ids RENAME TO message_ids;
ALTER TABLE message_ids
    ALTER chat_id SET NOT NULL, ALTER viewer SET NOT NULL, ALTER telegram_id SET NOT NULL, ALTER number SET NOT NULL,
    ADD PRIMARY KEY (chat_id, viewer, telegram_id),
    ADD UNIQUE (chat_id, number, viewer),
    ADD FOREIGN KEY (chat_id, number) REFERENCES messages ON DELETE CASCADE,
    ADD CHECK (viewer > 0),
    ADD CHECK (telegram_id > 0);
DROP FUNCTION message_there(bigint, bigint);

DROP TABLE receipts, senders, dead_letters;
-- Turns that can't be done. They are replayed in the order of their chat.
CREATE TABLE dead_letters (
    chat_id     bigint      NOT NULL,
    turn_no     bigint      NOT NULL,
    -- Who gave up.
    service     text        NOT NULL,
    reason      text        NOT NULL,
    attempts    integer     NOT NULL CHECK (attempts > 0),
    died_at     timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz,
    replays     integer     NOT NULL DEFAULT 0 CHECK (replays >= 0),
    PRIMARY KEY (chat_id, turn_no),
    FOREIGN KEY (chat_id, turn_no) REFERENCES turns ON DELETE CASCADE
);
CREATE INDEX dead_letters_died ON dead_letters (died_at);

-- People's messages that call for an answer, until they have one or get none.
DROP TABLE updates;
-- What people did besides writing is not heard any more.
DELETE FROM heard_events WHERE event LIKE 'reaction %' OR event LIKE 'member %';
CREATE TABLE prompts (
    chat_id        bigint      NOT NULL REFERENCES chats ON DELETE CASCADE,
    message        bigint      NOT NULL,
    person_id      bigint      NOT NULL,
    addressed_bots bigint[]    NOT NULL,
    happened_at    timestamptz NOT NULL,
    heard_at       timestamptz NOT NULL,
    owner          integer,
    fence          bigint      NOT NULL DEFAULT 0,
    claimed_until  timestamptz,
    not_before     timestamptz,
    attempts       integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    PRIMARY KEY (chat_id, message),
    CHECK ((owner IS NULL) = (claimed_until IS NULL))
);
CREATE INDEX prompts_person ON prompts (person_id);
ALTER TABLE hearing DROP COLUMN update_no;
ALTER TABLE hearing RENAME TO chat_pauses;
ALTER INDEX hearing_pkey RENAME TO chat_pauses_pkey;
ALTER INDEX hearing_paused RENAME TO chat_pauses_until;
ALTER TABLE chat_pauses RENAME CONSTRAINT hearing_chat_id_fkey TO chat_pauses_chat_id_fkey;
ALTER TABLE chat_pauses RENAME CONSTRAINT hearing_check TO chat_pauses_check;

-- Which process listens to a bot.
ALTER TABLE listening ADD COLUMN owner integer;
-- When something is tried again is not cached, and nobody acts on it.
DROP TRIGGER cached_update ON bots;
CREATE TRIGGER cached_update AFTER UPDATE ON bots FOR EACH ROW
    WHEN (to_jsonb(OLD) - '{next_try_at,tries}'::text[] IS DISTINCT FROM to_jsonb(NEW) - '{next_try_at,tries}'::text[])
    EXECUTE FUNCTION log_cache_change('bot', 'id');
DROP TRIGGER cached_update ON chats;
CREATE TRIGGER cached_update AFTER UPDATE ON chats FOR EACH ROW
    WHEN (to_jsonb(OLD) - '{remember_at,reactions_next_at,reactions_tries}'::text[] IS DISTINCT FROM to_jsonb(NEW) - '{remember_at,reactions_next_at,reactions_tries}'::text[])
    EXECUTE FUNCTION log_cache_change('chat.profile', 'id');
-- The stickers that a bot may send: [{"file_id": ..., "mood": ...}].
ALTER TABLE personas ADD COLUMN stickers jsonb NOT NULL DEFAULT '[]';

-- What a bot said since its persona was recalled to it is counted in its chat's messages.
ALTER TABLE cast_members DROP COLUMN since_refresh;

-- As of messages, see there.
ALTER TABLE turns DROP CONSTRAINT turns_bot_id_fkey;

UPDATE schema_support SET oldest_build = 23;
-- +goose Down
ALTER TABLE turns ADD FOREIGN KEY (bot_id) REFERENCES bots;
ALTER TABLE cast_members ADD COLUMN since_refresh integer NOT NULL DEFAULT 0 CHECK (since_refresh >= 0);
ALTER TABLE personas DROP COLUMN stickers;
-- What the build before needs has been taken away: it is made anew, and empty.
ALTER TABLE listening DROP COLUMN owner;
DROP TRIGGER cached_update ON bots;
CREATE TRIGGER cached_update AFTER UPDATE ON bots FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION log_cache_change('bot', 'id');
DROP TRIGGER cached_update ON chats;
CREATE TRIGGER cached_update AFTER UPDATE ON chats FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION log_cache_change('chat.profile', 'id');
ALTER TABLE chat_pauses RENAME CONSTRAINT chat_pauses_check TO hearing_check;
ALTER TABLE chat_pauses RENAME CONSTRAINT chat_pauses_chat_id_fkey TO hearing_chat_id_fkey;
ALTER INDEX chat_pauses_until RENAME TO hearing_paused;
ALTER INDEX chat_pauses_pkey RENAME TO hearing_pkey;
ALTER TABLE chat_pauses RENAME TO hearing;
ALTER TABLE hearing ADD COLUMN update_no bigint NOT NULL DEFAULT 0 CHECK (update_no >= 0);
DROP TABLE prompts, dead_letters;
CREATE TABLE updates (
    chat_id      bigint      NOT NULL REFERENCES chats ON DELETE CASCADE,
    number       bigint      NOT NULL CHECK (number > 0),
    person_id    bigint,
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
CREATE TABLE spread_messages (
    chat_id   bigint      NOT NULL,
    number    bigint      NOT NULL DEFAULT nextval('message_numbers'),
    bot_id    bigint,
    person_id bigint,
    turn_no   bigint,
    reply_to  bigint,
    topic     text        NOT NULL DEFAULT '',
    body      text        NOT NULL,
    sent_at   timestamptz NOT NULL,
    edited_at timestamptz,
    original  bigint,
    talk      boolean     NOT NULL DEFAULT true
) PARTITION BY HASH (chat_id);
CREATE TABLE spread_message_ids (chat_id bigint NOT NULL, viewer bigint NOT NULL, telegram_id bigint NOT NULL, number bigint NOT NULL)
    PARTITION BY HASH (chat_id);
-- +goose StatementBegin
DO $$
BEGIN
    FOR i IN 0..7 LOOP
        EXECUTE format('CREATE TABLE messages_%s PARTITION OF spread_messages FOR VALUES WITH (MODULUS 8, REMAINDER %s)', i, i);
        EXECUTE format('CREATE TABLE message_ids_%s PARTITION OF spread_message_ids FOR VALUES WITH (MODULUS 8, REMAINDER %s)', i, i);
    END LOOP;
END $$;
-- +goose StatementEnd
-- Of several messages of a turn the first was sent for it, as far as the build before knows.
INSERT INTO spread_messages
    SELECT chat_id, number, bot_id, person_id, CASE WHEN part = 1 THEN turn_no END,
        (SELECT number FROM messages r WHERE r.chat_id = m.chat_id AND r.number = m.reply_to),
        coalesce((SELECT topic FROM turns t WHERE t.chat_id = m.chat_id AND t.turn_no = m.turn_no), ''),
        body, sent_at, edited_at, original, talk FROM messages m;
INSERT INTO spread_message_ids
    SELECT * FROM message_ids UNION ALL
    SELECT chat_id, 0, telegram_id, max(number) FROM messages WHERE telegram_id IS NOT NULL GROUP BY chat_id, telegram_id;
DROP TABLE message_ids, messages;
ALTER TABLE spread_messages RENAME TO messages;
ALTER TABLE messages
    ADD PRIMARY KEY (chat_id, number),
    ADD UNIQUE (chat_id, turn_no),
    ADD FOREIGN KEY (chat_id) REFERENCES chats ON DELETE CASCADE,
    ADD FOREIGN KEY (bot_id) REFERENCES bots,
    ADD FOREIGN KEY (person_id) REFERENCES people ON DELETE CASCADE,
    ADD FOREIGN KEY (chat_id, reply_to) REFERENCES messages (chat_id, number) ON DELETE SET NULL (reply_to),
    ADD CHECK ((bot_id IS NULL) <> (person_id IS NULL)),
    ADD CHECK (turn_no IS NULL OR bot_id IS NOT NULL),
    ADD CHECK (length(body) BETWEEN 1 AND 4096);
CREATE INDEX messages_recent ON messages (chat_id, sent_at DESC, number DESC);
CREATE INDEX messages_replies ON messages (chat_id, reply_to) WHERE reply_to IS NOT NULL;
CREATE INDEX messages_person ON messages (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX messages_original ON messages (chat_id, original, sent_at) WHERE original IS NOT NULL;
ALTER TABLE spread_message_ids RENAME TO message_ids;
ALTER TABLE message_ids
    ADD PRIMARY KEY (chat_id, viewer, telegram_id),
    ADD UNIQUE (chat_id, number, viewer),
    ADD FOREIGN KEY (chat_id, number) REFERENCES messages (chat_id, number) ON DELETE CASCADE,
    ADD CHECK (viewer >= 0),
    ADD CHECK (telegram_id > 0);
-- +goose StatementBegin
CREATE FUNCTION message_there(chat bigint, wanted bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT number FROM messages WHERE chat_id = chat AND number = wanted);
END $$;
-- +goose StatementEnd

DELETE FROM deliveries WHERE part > 1 OR action NOT IN ('send_message', 'set_reaction');
ALTER TABLE deliveries
    ADD CONSTRAINT deliveries_action_check CHECK (action IN ('send_message', 'set_reaction')),
    ADD CONSTRAINT deliveries_check3 CHECK (step = 'action' OR action = 'set_reaction'),
    ADD CONSTRAINT deliveries_check5 CHECK (body IS NULL OR action = 'send_message');
DROP INDEX deliveries_open;
ALTER TABLE deliveries DROP CONSTRAINT deliveries_pkey, DROP CONSTRAINT deliveries_state_check, DROP CONSTRAINT deliveries_claim_check,
    DROP CONSTRAINT deliveries_wait_check, DROP CONSTRAINT deliveries_outcome_check2;
UPDATE deliveries SET state = 'pending' WHERE state <> 'closed';
ALTER TABLE deliveries
    DROP COLUMN part, DROP COLUMN lane, DROP COLUMN claimed_until, DROP COLUMN outcome, DROP COLUMN reason, DROP COLUMN owner,
    ALTER COLUMN state SET DEFAULT 'pending',
    ADD COLUMN owner        text,
    ADD COLUMN claimed_at   timestamptz,
    ADD COLUMN publication  integer NOT NULL DEFAULT 0,
    ADD COLUMN published_at timestamptz,
    ADD COLUMN bus_sequence bigint,
    ADD COLUMN relay_at     timestamptz,
    ADD CONSTRAINT deliveries_state_check CHECK (state IN ('pending', 'sending', 'closed')),
    ADD CHECK ((state = 'sending') = (owner IS NOT NULL)),
    ADD CHECK (not_before IS NULL OR state = 'pending'),
    ADD CHECK (closed_at IS NULL OR relay_at IS NULL),
    ADD PRIMARY KEY (chat_id, turn_no);
UPDATE deliveries SET relay_at = now() WHERE closed_at IS NULL;
CREATE INDEX deliveries_relay ON deliveries (relay_at) WHERE relay_at IS NOT NULL;
CREATE INDEX deliveries_parked ON deliveries (chat_id, action, turn_no) WHERE not_before IS NOT NULL;
CREATE INDEX deliveries_open ON deliveries (chat_id, action, turn_no) WHERE closed_at IS NULL;

DROP INDEX turns_open, turns_commands;
CREATE INDEX turns_open ON turns (expires_at) WHERE closed_at IS NULL;
ALTER TABLE turns DROP CONSTRAINT turns_kind_check, DROP CONSTRAINT turns_target_check, DROP CONSTRAINT turns_claim_check, DROP CONSTRAINT turns_written_check;
UPDATE turns SET kind = CASE WHEN target_message IS NULL THEN 'message' ELSE 'reply' END WHERE kind = 'command';
ALTER TABLE turns
    DROP COLUMN owner, DROP COLUMN fence, DROP COLUMN claimed_until, DROP COLUMN not_before, DROP COLUMN attempts, DROP COLUMN written_at, DROP COLUMN reason,
    ADD COLUMN publication  integer NOT NULL DEFAULT 0,
    ADD COLUMN published_at timestamptz,
    ADD COLUMN bus_sequence bigint,
    ADD COLUMN relay_at     timestamptz,
    ADD CONSTRAINT turns_kind_check CHECK (kind IN ('message', 'reply', 'reaction')),
    ADD CONSTRAINT turns_check2 CHECK ((kind = 'message') = (target_message IS NULL)),
    ADD CHECK (closed_at IS NULL OR relay_at IS NULL);
CREATE INDEX turns_relay ON turns (relay_at) WHERE relay_at IS NOT NULL;
CREATE INDEX turns_open_chat ON turns (chat_id, turn_no) WHERE outcome IS NULL AND kind <> 'reaction';
CREATE INDEX turns_commands ON turns (chat_id, planned_at) WHERE topic LIKE '/%';

CREATE TABLE senders (
    owner   text        PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
CREATE TABLE receipts (
    chat_id      bigint      NOT NULL,
    turn_no      bigint      NOT NULL,
    outcome      text        NOT NULL CHECK (outcome IN ('delivered', 'fell_back', 'rejected', 'expired', 'unknown')),
    reason       text        NOT NULL DEFAULT '',
    payload      bytea       NOT NULL,
    traceparent  text        NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    bus_sequence bigint,
    relay_at     timestamptz,
    PRIMARY KEY (chat_id, turn_no),
    FOREIGN KEY (chat_id, turn_no) REFERENCES turns ON DELETE CASCADE
);
CREATE INDEX receipts_relay ON receipts (relay_at) WHERE relay_at IS NOT NULL;
CREATE TABLE dead_letters (
    id           text PRIMARY KEY,
    stream       text        NOT NULL,
    chat_id      bigint,
    turn_no      bigint,
    reason       text        NOT NULL,
    payload      bytea       NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    replayed_at  timestamptz,
    replays      integer     NOT NULL DEFAULT 0 CHECK (replays >= 0),
    published_at timestamptz,
    bus_sequence bigint,
    relay_at     timestamptz,
    CHECK ((replayed_at IS NULL) = (replays = 0))
);
CREATE INDEX dead_letters_relay ON dead_letters (relay_at) WHERE relay_at IS NOT NULL;
CREATE INDEX dead_letters_created ON dead_letters (created_at);
UPDATE schema_support SET oldest_build = 21;
