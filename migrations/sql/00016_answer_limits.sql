-- +goose Up

-- How many texts were planned in a chat on a day (UTC). It stands with the clock,
-- which whoever plans has locked, so it is exact and needs no query of its own.
ALTER TABLE chat_clock
    ADD COLUMN texts_day date,
    ADD COLUMN texts     integer NOT NULL DEFAULT 0 CHECK (texts >= 0);

-- The answers that people's messages called for, for as long as limits count them.
-- person_id is who asked; NULL once they are forgotten: the chat's limit still
-- counts the answer.
CREATE TABLE answers (
    chat_id    bigint      NOT NULL REFERENCES chats ON DELETE CASCADE,
    message    bigint      NOT NULL,
    person_id  bigint,
    planned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chat_id, message)
);
CREATE INDEX answers_chat ON answers (chat_id, planned_at);
CREATE INDEX answers_person ON answers (person_id, planned_at) WHERE person_id IS NOT NULL;
CREATE INDEX answers_planned ON answers (planned_at);

-- How many messages that called for an answer got none on a day (UTC), and why.
CREATE TABLE prompt_skips (
    chat_id bigint      NOT NULL REFERENCES chats ON DELETE CASCADE,
    day     date        NOT NULL,
    reason  text        NOT NULL,
    prompts integer     NOT NULL DEFAULT 0 CHECK (prompts >= 0),
    last_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chat_id, day, reason)
);
CREATE INDEX prompt_skips_day ON prompt_skips (day);

-- +goose Down
DROP TABLE prompt_skips, answers;
ALTER TABLE chat_clock DROP COLUMN texts, DROP COLUMN texts_day;
