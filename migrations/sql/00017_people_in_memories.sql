-- +goose Up

-- A memory drawn from talk belongs to the chat of the talk, and to the people whose
-- words it may have come from. Of those that were learned before, nobody knows
-- either, so they are forgotten.
DELETE FROM memories WHERE source = 'learned';
ALTER TABLE memories
    ADD COLUMN chat_id bigint REFERENCES chats ON DELETE CASCADE,
    -- The bots of the cast that it is about.
    ADD COLUMN about_bots bigint[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT memories_chat_check CHECK ((source = 'learned') = (chat_id IS NOT NULL)),
    DROP CONSTRAINT memories_bot_id_kind_content_key;
CREATE UNIQUE INDEX memories_given ON memories (bot_id, kind, content) WHERE chat_id IS NULL;
CREATE UNIQUE INDEX memories_learned ON memories (chat_id, bot_id, kind, content) WHERE chat_id IS NOT NULL;

-- about tells that a memory is about the person, not only from talk of theirs.
-- People are named by Telegram's ids, and a memory may outlive their messages.
CREATE TABLE memory_people (
    memory_id bigint  NOT NULL REFERENCES memories ON DELETE CASCADE,
    person_id bigint  NOT NULL,
    about     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (memory_id, person_id)
);
CREATE INDEX memory_people_person ON memory_people (person_id);

-- marks is by what a person is recognised in what bots said, while that is being
-- deleted; NULL once it is done.
ALTER TABLE forgotten ADD COLUMN marks jsonb;

-- The text of a redacted delivery is gone. If its call is under way, what it sent is
-- not written down.
ALTER TABLE deliveries ADD COLUMN redacted boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE deliveries DROP COLUMN redacted;
ALTER TABLE forgotten DROP COLUMN marks;
DROP TABLE memory_people;
DELETE FROM memories WHERE source = 'learned';
DROP INDEX memories_learned, memories_given;
ALTER TABLE memories DROP CONSTRAINT memories_chat_check, DROP COLUMN about_bots, DROP COLUMN chat_id,
    ADD CONSTRAINT memories_bot_id_kind_content_key UNIQUE (bot_id, kind, content);
