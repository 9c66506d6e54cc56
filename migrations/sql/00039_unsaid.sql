-- +goose Up

-- Limits count the messages that were said or may still be said. A turn is counted when it
-- is planned; one that ends without being said is counted no more. Those that are there
-- already are left as they are.
ALTER TABLE turns ADD COLUMN counted boolean NOT NULL DEFAULT false;
ALTER TABLE turns ALTER COLUMN counted SET DEFAULT true;
-- What changes the outcome of a turn changes closed_at, too, which other indexes have.
CREATE INDEX turns_unsaid ON turns (chat_id, turn_no)
    WHERE counted AND outcome IN ('rejected', 'expired', 'dead', 'passed') AND kind IN ('message', 'reply');

-- What was counted, without turns that were planned in the given slots. A turn is counted a
-- moment after it is planned: up to so many slots later.
-- +goose StatementBegin
CREATE FUNCTION uncounted(counts integer[], counted_in bigint, planned bigint[], later integer) RETURNS integer[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    slot bigint;
    place integer;
BEGIN
    FOREACH slot IN ARRAY planned LOOP
        FOR place IN REVERSE least(counted_in - slot + 1, cardinality(counts)) .. greatest(counted_in - slot + 1 - later, 1) LOOP
            IF counts[place] > 0 THEN
                counts[place] := counts[place] - 1;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
    RETURN counts;
END $$;
-- +goose StatementEnd

-- Since when a person has written where Telegram lets a bot not act, and when it was looked
-- for that last: it may let it by now.
ALTER TABLE cast_members ADD COLUMN hinted_at timestamptz, ADD COLUMN looked_at timestamptz;

-- The last of those messages, which may be answered later.
ALTER TABLE prompt_skips ADD COLUMN messages bigint[] NOT NULL DEFAULT '{}';

-- Until when a provider of texts rests after a call that failed.
ALTER TABLE llm_calls ADD COLUMN rests_until timestamptz;

-- +goose Down
ALTER TABLE llm_calls DROP COLUMN rests_until;
ALTER TABLE prompt_skips DROP COLUMN messages;
ALTER TABLE cast_members DROP COLUMN hinted_at, DROP COLUMN looked_at;
DROP FUNCTION uncounted(integer[], bigint, bigint[], integer);
DROP INDEX turns_unsaid;
ALTER TABLE turns DROP COLUMN counted;
