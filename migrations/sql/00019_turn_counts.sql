-- +goose Up

-- What was planned lately is counted where it is planned, in slots of time, the
-- newest first: a count of the turns themselves reads as many rows as there were
-- turns, and as many as there ever were where the database has no statistics yet.

-- What was counted in the slots that a moment, in the given slot, looks back on.
-- The slot in which a window begins counts as a whole, so that no limit is ever
-- exceeded.
-- +goose StatementBegin
CREATE FUNCTION recently(counts integer[], counted_in bigint, slot bigint, slots integer) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (SELECT coalesce(sum(n), 0) FROM unnest(counts[1 : slots + 1 - least(greatest(slot - counted_in, 0), slots + 1)::integer]) AS n);
END $$;
-- +goose StatementEnd

-- The slots after n more in the given one.
-- +goose StatementBegin
CREATE FUNCTION counted(counts integer[], counted_in bigint, slot bigint, slots integer, n integer) RETURNS integer[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    passed integer := least(greatest(slot - counted_in, 0), slots + 1);
BEGIN
    IF passed = 0 THEN
        RETURN coalesce(counts[1], 0) + n || counts[2 : slots + 1];
    END IF;
    RETURN n || array_fill(0, ARRAY[passed - 1]) || counts[1 : slots + 1 - passed];
END $$;
-- +goose StatementEnd

-- A bot's messages in slots of a minute; bot 0 stands for all together, in slots
-- of a second, which are counted while there is a limit for all.
CREATE TABLE turn_counts (
    bot_id     bigint    PRIMARY KEY,
    counts     integer[] NOT NULL,
    counted_in bigint    NOT NULL
) WITH (fillfactor = 50);
INSERT INTO turn_counts
SELECT bot_id, ARRAY[count(*)::integer], extract(epoch FROM now())::bigint / 60
FROM turns WHERE planned_at > now() - interval '1 hour' AND kind <> 'reaction' GROUP BY bot_id;

-- A chat's messages, in slots of five seconds.
ALTER TABLE chat_clock
    ADD COLUMN counts     integer[] NOT NULL DEFAULT '{}',
    ADD COLUMN counted_in bigint    NOT NULL DEFAULT 0;

DROP INDEX turns_bot;
DROP INDEX turns_chat;
DROP INDEX turns_planned;
-- Whether a message was answered.
CREATE INDEX turns_replies ON turns (chat_id, target_message) WHERE kind = 'reply';
-- The answers to commands, which are few.
CREATE INDEX turns_commands ON turns (chat_id, planned_at) WHERE topic LIKE '/%';

-- +goose Down
DROP INDEX turns_commands;
DROP INDEX turns_replies;
CREATE INDEX turns_planned ON turns (planned_at);
CREATE INDEX turns_chat ON turns (chat_id, planned_at) WHERE kind <> 'reaction';
CREATE INDEX turns_bot ON turns (bot_id, planned_at) WHERE kind <> 'reaction';
ALTER TABLE chat_clock DROP COLUMN counts, DROP COLUMN counted_in;
DROP TABLE turn_counts;
DROP FUNCTION counted(integer[], bigint, bigint, integer, integer);
DROP FUNCTION recently(integer[], bigint, bigint, integer);
