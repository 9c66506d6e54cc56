-- +goose Up

-- Similarity of texts. It is part of every PostgreSQL that has its contrib
-- modules, and whoever owns a database may create it.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- The text of a message that is to be sent, so that a new text can be compared
-- with those that no chat has seen yet.
ALTER TABLE deliveries ADD COLUMN body text CHECK (body IS NULL OR action = 'send_message');
CREATE INDEX deliveries_open_text ON deliveries (bot_id) WHERE closed_at IS NULL AND body IS NOT NULL;

-- Every call to a text provider, with what it cost. Chats and bots are named, not
-- referred to: what was paid for them was paid, whatever becomes of them.
CREATE TABLE llm_calls (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at                timestamptz NOT NULL,
    -- What it was for: a text, a judgement of a text, or memories.
    purpose           text        NOT NULL CHECK (purpose IN ('text', 'rewrite', 'judge', 'memory')),
    chat_id           bigint,
    turn_no           bigint,
    bot_id            bigint,
    provider          text        NOT NULL,
    model             text        NOT NULL DEFAULT '',
    -- The version of the prompt's templates.
    prompt            text        NOT NULL DEFAULT '',
    prompt_tokens     integer     NOT NULL DEFAULT 0 CHECK (prompt_tokens >= 0),
    completion_tokens integer     NOT NULL DEFAULT 0 CHECK (completion_tokens >= 0),
    -- In the currency that the prices are given in.
    cost              numeric(18, 9) NOT NULL DEFAULT 0 CHECK (cost >= 0),
    latency           interval    NOT NULL DEFAULT '0',
    -- "written", or how it failed.
    outcome           text        NOT NULL
);
CREATE INDEX llm_calls_at ON llm_calls (at);
CREATE INDEX llm_calls_turn ON llm_calls (chat_id, turn_no) WHERE turn_no IS NOT NULL;

-- What a provider was used for on a day (UTC), by all replicas together.
CREATE TABLE llm_spending (
    day      date   NOT NULL,
    provider text   NOT NULL,
    tokens   bigint NOT NULL DEFAULT 0 CHECK (tokens >= 0),
    cost     numeric(18, 9) NOT NULL DEFAULT 0 CHECK (cost >= 0),
    PRIMARY KEY (day, provider)
) WITH (fillfactor = 70);

-- Who put a memory there. Only what a bot picked up by itself fades away.
ALTER TABLE memories ADD COLUMN source text NOT NULL DEFAULT 'cast' CHECK (source IN ('cast', 'operator', 'learned'));

-- When a chat's talk is to be looked at for memories, and how far it was searched.
ALTER TABLE chats ADD COLUMN remember_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX chats_remember ON chats (remember_at) WHERE enabled AND removed_at IS NULL;
CREATE TABLE memory_cursors (
    chat_id bigint PRIMARY KEY REFERENCES chats ON DELETE CASCADE,
    sent_at timestamptz NOT NULL
);

CREATE TABLE feeds (
    url           text PRIMARY KEY,
    etag          text        NOT NULL DEFAULT '',
    last_modified text        NOT NULL DEFAULT '',
    next_at       timestamptz NOT NULL DEFAULT now(),
    failures      integer     NOT NULL DEFAULT 0 CHECK (failures >= 0),
    -- Why it could not be read the last time; empty if it could.
    trouble       text        NOT NULL DEFAULT ''
);

CREATE TABLE headlines (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed         text        NOT NULL REFERENCES feeds ON DELETE CASCADE,
    -- The feed's own name for it.
    guid         text        NOT NULL,
    title        text        NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    published_at timestamptz NOT NULL,
    -- How often a bot was given it, so that not all take up the same.
    uses         integer     NOT NULL DEFAULT 0 CHECK (uses >= 0),
    UNIQUE (feed, guid)
);
CREATE INDEX headlines_feed ON headlines (feed, published_at DESC);

-- +goose Down
DROP TABLE headlines, feeds, memory_cursors, llm_spending, llm_calls;
ALTER TABLE chats DROP COLUMN remember_at;
ALTER TABLE memories DROP COLUMN source;
DROP INDEX deliveries_open_text;
ALTER TABLE deliveries DROP COLUMN body;
-- pg_trgm stays: it may have been there before, or be used by others.
