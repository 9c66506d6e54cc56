-- +goose Up

-- The roster -----------------------------------------------------------------

CREATE TABLE bots (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The name in cast files; stable, while a username can change.
    name          text        NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    telegram_id   bigint      UNIQUE CHECK (telegram_id > 0),
    username      text        CHECK (username ~ '^[A-Za-z0-9_]{3,64}$'),
    -- Sealed with a key that the database never sees; bound to the bot's name.
    token_sealed  bytea       NOT NULL,
    enabled       boolean     NOT NULL DEFAULT true,
    -- Set when Telegram refuses the token; cleared by a new token.
    stopped_at    timestamptz,
    stopped_why   text,
    typing_wpm    real        NOT NULL DEFAULT 40 CHECK (typing_wpm BETWEEN 5 AND 400),
    -- Divides the gaps between this bot's turns.
    tempo         real        NOT NULL DEFAULT 1 CHECK (tempo BETWEEN 0.1 AND 10),
    -- HH:MM-HH:MM in the chat's time zone, may cross midnight; empty is always.
    active_hours  text[]      NOT NULL DEFAULT '{}',
    hourly_min    integer     NOT NULL DEFAULT 0 CHECK (hourly_min >= 0),
    hourly_max    integer     NOT NULL DEFAULT 60 CHECK (hourly_max BETWEEN 1 AND 1200),
    -- A bot that was pruned keeps its row, because its messages refer to it.
    removed_at    timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CHECK (hourly_min <= hourly_max),
    CHECK ((stopped_at IS NULL) = (stopped_why IS NULL))
);
CREATE UNIQUE INDEX bots_username ON bots (lower(username));

CREATE TABLE personas (
    bot_id       bigint PRIMARY KEY REFERENCES bots ON DELETE CASCADE,
    display_name text   NOT NULL CHECK (length(display_name) BETWEEN 1 AND 64),
    summary      text   NOT NULL CHECK (length(summary) BETWEEN 1 AND 4000),
    tone         text   NOT NULL DEFAULT 'neutral' CHECK (length(tone) BETWEEN 1 AND 64),
    hint         text   NOT NULL DEFAULT '' CHECK (length(hint) <= 1000),
    phrases      text[] NOT NULL DEFAULT '{}',
    interests    text[] NOT NULL DEFAULT '{}',
    -- The emotion profile.
    empathy      real   NOT NULL DEFAULT 0.5 CHECK (empathy BETWEEN 0 AND 1),
    energy       real   NOT NULL DEFAULT 0.5 CHECK (energy BETWEEN 0 AND 1)
);

CREATE TABLE stances (
    bot_id         bigint NOT NULL REFERENCES bots ON DELETE CASCADE,
    topic          text   NOT NULL CHECK (length(topic) BETWEEN 1 AND 64),
    stance         text   NOT NULL CHECK (length(stance) BETWEEN 1 AND 1000),
    confidence     real   NOT NULL DEFAULT 0.5 CHECK (confidence BETWEEN 0 AND 1),
    -- Until then the bot does not bring the topic up.
    cooldown_until timestamptz,
    PRIMARY KEY (bot_id, topic)
);

CREATE TABLE holdings (
    bot_id   bigint NOT NULL REFERENCES bots ON DELETE CASCADE,
    item     text   NOT NULL CHECK (length(item) BETWEEN 1 AND 64),
    quantity numeric CHECK (quantity > 0),
    note     text   NOT NULL DEFAULT '' CHECK (length(note) <= 1000),
    PRIMARY KEY (bot_id, item)
);

CREATE TABLE memories (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bot_id       bigint      NOT NULL REFERENCES bots ON DELETE CASCADE,
    kind         text        NOT NULL CHECK (kind IN ('fact', 'event', 'relationship', 'preference')),
    content      text        NOT NULL CHECK (length(content) BETWEEN 1 AND 1000),
    relevance    real        NOT NULL DEFAULT 0.5 CHECK (relevance BETWEEN 0 AND 1),
    uses         integer     NOT NULL DEFAULT 0 CHECK (uses >= 0),
    last_used_at timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (bot_id, kind, content)
);

CREATE TABLE chats (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name              text        NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    -- Telegram's id now; an upgrade to a supergroup changes it.
    telegram_id       bigint      NOT NULL UNIQUE CHECK (telegram_id < 0),
    kind              text        NOT NULL CHECK (kind IN ('group', 'supergroup')),
    title             text        NOT NULL DEFAULT '' CHECK (length(title) <= 255),
    purpose           text        NOT NULL DEFAULT '' CHECK (length(purpose) <= 1000),
    disclaimer        text        NOT NULL DEFAULT '' CHECK (length(disclaimer) <= 500),
    forbid_advice     boolean     NOT NULL DEFAULT false,
    enabled           boolean     NOT NULL DEFAULT false,
    time_zone         text        NOT NULL DEFAULT 'UTC' CHECK (length(time_zone) BETWEEN 1 AND 64),
    language          text        NOT NULL DEFAULT 'en' CHECK (language ~ '^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
    topics            text[]      NOT NULL DEFAULT '{}',
    -- Mean gap between turns at scale 1.
    mean_gap          interval    NOT NULL DEFAULT '30 seconds' CHECK (mean_gap BETWEEN '1 second' AND '7 days'),
    retention_days    integer     NOT NULL DEFAULT 30 CHECK (retention_days BETWEEN 1 AND 3650),
    -- What getChat said; NULL is every emoji, or not asked yet.
    allowed_reactions text[],
    removed_at        timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    -- Telegram numbers supergroups from -1000000000000 downwards.
    CHECK ((kind = 'supergroup') = (telegram_id <= -1000000000000))
);

CREATE TABLE cast_members (
    chat_id         bigint NOT NULL REFERENCES chats ON DELETE CASCADE,
    bot_id          bigint NOT NULL REFERENCES bots ON DELETE CASCADE,
    -- Set when Telegram says that the bot can't act in this chat.
    suspended_at    timestamptz,
    suspended_why   text,
    -- Messages planned since the prompt last reminded the bot of its persona.
    since_refresh   integer NOT NULL DEFAULT 0 CHECK (since_refresh >= 0),
    refreshed_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chat_id, bot_id),
    CHECK ((suspended_at IS NULL) = (suspended_why IS NULL))
);
CREATE INDEX cast_members_bot ON cast_members (bot_id);

CREATE TABLE settings (
    key        text        NOT NULL CHECK (key ~ '^[a-z][a-z0-9_.]{0,63}$'),
    scope      text        NOT NULL DEFAULT 'global' CHECK (scope IN ('global', 'chat', 'bot')),
    -- The chat's or bot's id; 0 for the global scope.
    scope_id   bigint      NOT NULL DEFAULT 0,
    value      jsonb       NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key, scope, scope_id),
    CHECK ((scope = 'global') = (scope_id = 0))
);

-- What was said ----------------------------------------------------------------

CREATE TABLE people (
    telegram_id bigint PRIMARY KEY CHECK (telegram_id > 0),
    name        text        NOT NULL CHECK (length(name) BETWEEN 1 AND 256),
    username    text        NOT NULL DEFAULT '',
    seen_at     timestamptz NOT NULL DEFAULT now()
);

-- messages is hash-partitioned by chat, not by month. Every query of it asks
-- about one chat, so each touches one partition whatever the table's size; the
-- uniqueness that Telegram's ids demand can be a constraint (by month the key
-- would have to hold the time, and the same message could be there twice); and
-- retention is a setting of the chat, so whole months could not be dropped
-- anyway. At 100 million rows a partition holds three million.
CREATE SEQUENCE message_numbers AS bigint;
CREATE TABLE messages (
    chat_id   bigint      NOT NULL REFERENCES chats ON DELETE CASCADE,
    number    bigint      NOT NULL DEFAULT nextval('message_numbers'),
    bot_id    bigint      REFERENCES bots,
    person_id bigint      REFERENCES people ON DELETE CASCADE,
    -- The turn that it was sent for, where a bot sent it.
    turn_no   bigint,
    reply_to  bigint,
    topic     text        NOT NULL DEFAULT '',
    body      text        NOT NULL CHECK (length(body) BETWEEN 1 AND 4096),
    sent_at   timestamptz NOT NULL,
    edited_at timestamptz,
    PRIMARY KEY (chat_id, number),
    FOREIGN KEY (chat_id, reply_to) REFERENCES messages (chat_id, number) ON DELETE SET NULL (reply_to),
    CHECK ((bot_id IS NULL) <> (person_id IS NULL)),
    CHECK (turn_no IS NULL OR bot_id IS NOT NULL),
    UNIQUE (chat_id, turn_no)
) PARTITION BY HASH (chat_id);
CREATE INDEX messages_recent ON messages (chat_id, sent_at DESC, number DESC);
CREATE INDEX messages_replies ON messages (chat_id, reply_to) WHERE reply_to IS NOT NULL;
CREATE INDEX messages_bot ON messages (bot_id, sent_at DESC) WHERE bot_id IS NOT NULL;
CREATE INDEX messages_person ON messages (person_id) WHERE person_id IS NOT NULL;

-- Which Telegram id names a message, and for whom. In a supergroup the ids are
-- the chat's own: one row, viewer 0. In a basic group every account has its own
-- numbers: a row for each bot that sent or received it, and a bot may use only
-- its own.
CREATE TABLE message_ids (
    chat_id     bigint NOT NULL,
    viewer      bigint NOT NULL CHECK (viewer >= 0),
    telegram_id bigint NOT NULL CHECK (telegram_id > 0),
    number      bigint NOT NULL,
    PRIMARY KEY (chat_id, viewer, telegram_id),
    UNIQUE (chat_id, number, viewer),
    FOREIGN KEY (chat_id, number) REFERENCES messages (chat_id, number) ON DELETE CASCADE
) PARTITION BY HASH (chat_id);

-- +goose StatementBegin
DO $$
BEGIN
    FOR i IN 0..31 LOOP
        EXECUTE format('CREATE TABLE messages_%s PARTITION OF messages FOR VALUES WITH (MODULUS 32, REMAINDER %s)', i, i);
        EXECUTE format('CREATE TABLE message_ids_%s PARTITION OF message_ids FOR VALUES WITH (MODULUS 32, REMAINDER %s)', i, i);
    END LOOP;
END $$;
-- +goose StatementEnd

-- The journal --------------------------------------------------------------------

CREATE TABLE chat_clock (
    chat_id      bigint PRIMARY KEY REFERENCES chats ON DELETE CASCADE,
    -- The number of the chat's last turn.
    turn_no      bigint      NOT NULL DEFAULT 0 CHECK (turn_no >= 0),
    next_turn_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX chat_clock_due ON chat_clock (next_turn_at);

-- relay_at, in the three tables below, is when the relay should look at the row
-- next: soon after it was made if nobody has published it, later to see whether
-- the bus still holds it, never (NULL) once there is nothing left to publish.
CREATE TABLE turns (
    chat_id        bigint      NOT NULL REFERENCES chats ON DELETE CASCADE,
    turn_no        bigint      NOT NULL CHECK (turn_no > 0),
    bot_id         bigint      NOT NULL REFERENCES bots,
    kind           text        NOT NULL CHECK (kind IN ('message', 'reply', 'reaction')),
    target_message bigint,
    topic          text        NOT NULL DEFAULT '',
    -- The Turn exactly as it is published.
    payload        bytea       NOT NULL,
    traceparent    text        NOT NULL DEFAULT '',
    planned_at     timestamptz NOT NULL,
    due_at         timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    outcome        text        CHECK (outcome IN ('delivered', 'fell_back', 'rejected', 'expired', 'unknown', 'dead')),
    closed_at      timestamptz,
    -- Rises when a dead turn is replayed, as that of a delivery does.
    publication    integer     NOT NULL DEFAULT 0,
    published_at   timestamptz,
    bus_sequence   bigint,
    relay_at       timestamptz,
    PRIMARY KEY (chat_id, turn_no),
    CHECK (due_at <= planned_at),
    CHECK (expires_at > planned_at),
    CHECK ((kind = 'message') = (target_message IS NULL)),
    CHECK ((outcome IS NULL) = (closed_at IS NULL)),
    CHECK (closed_at IS NULL OR relay_at IS NULL)
) WITH (fillfactor = 80);
CREATE INDEX turns_relay ON turns (relay_at) WHERE relay_at IS NOT NULL;
CREATE INDEX turns_open ON turns (expires_at) WHERE closed_at IS NULL;
CREATE INDEX turns_open_chat ON turns (chat_id) WHERE closed_at IS NULL;
CREATE INDEX turns_planned ON turns (planned_at);
-- How much a bot did in the last hour.
CREATE INDEX turns_bot ON turns (bot_id, planned_at) WHERE kind <> 'reaction';

CREATE TABLE deliveries (
    chat_id      bigint      NOT NULL,
    turn_no      bigint      NOT NULL,
    bot_id       bigint      NOT NULL REFERENCES bots,
    action       text        NOT NULL CHECK (action IN ('send_message', 'set_reaction')),
    -- The Delivery exactly as it is published.
    payload      bytea       NOT NULL,
    traceparent  text        NOT NULL DEFAULT '',
    -- pending: no call under way. sending: a call may have been made. closed:
    -- there is a receipt or a dead letter.
    state        text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sending', 'closed')),
    -- Which call state is about: the action itself or its fallback.
    step         text        NOT NULL DEFAULT 'action' CHECK (step IN ('action', 'fallback')),
    attempts     integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- Who is sending; the fence rises with every claim, and a row is changed
    -- only by whoever knows its fence.
    owner        text,
    fence        bigint      NOT NULL DEFAULT 0,
    -- Parked until then: the bus does not hold it.
    not_before   timestamptz,
    -- Rises with every return from parking; part of the message id, because the
    -- bus would take the same id for a duplicate.
    publication  integer     NOT NULL DEFAULT 0,
    expires_at   timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    closed_at    timestamptz,
    published_at timestamptz,
    bus_sequence bigint,
    relay_at     timestamptz,
    PRIMARY KEY (chat_id, turn_no),
    FOREIGN KEY (chat_id, turn_no) REFERENCES turns ON DELETE CASCADE,
    CHECK ((state = 'sending') = (owner IS NOT NULL)),
    CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CHECK (not_before IS NULL OR state = 'pending'),
    CHECK (step = 'action' OR action = 'set_reaction'),
    CHECK (closed_at IS NULL OR relay_at IS NULL)
) WITH (fillfactor = 70);
CREATE INDEX deliveries_relay ON deliveries (relay_at) WHERE relay_at IS NOT NULL;
CREATE INDEX deliveries_parked ON deliveries (chat_id, action, turn_no) WHERE not_before IS NOT NULL;

CREATE TABLE receipts (
    chat_id      bigint      NOT NULL,
    turn_no      bigint      NOT NULL,
    outcome      text        NOT NULL CHECK (outcome IN ('delivered', 'fell_back', 'rejected', 'expired', 'unknown')),
    reason       text        NOT NULL DEFAULT '',
    -- The Receipt exactly as it is published.
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
    -- The DeadLetter exactly as it is published.
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

-- +goose Down
DROP TABLE dead_letters, receipts, deliveries, turns, chat_clock, message_ids, messages, people,
    settings, cast_members, chats, memories, holdings, stances, personas, bots;
DROP SEQUENCE message_numbers;
