-- +goose Up

-- What a chat's clock waits for, where that is no time but a change by somebody:
-- the planner's reason for not planning. Once the reason may have gone, the
-- planner looks at the chat at once.
ALTER TABLE chat_clock
    ADD COLUMN waiting_for   text CHECK (waiting_for IN ('chat_disabled', 'simulation_off', 'no_cast', 'asleep')),
    ADD COLUMN waiting_since timestamptz,
    ADD CONSTRAINT chat_clock_waiting_check CHECK ((waiting_for IS NULL) = (waiting_since IS NULL));
CREATE INDEX chat_clock_waiting ON chat_clock (waiting_for) WHERE waiting_for IS NOT NULL;

-- How much was planned in a chat in the last minute.
CREATE INDEX turns_chat ON turns (chat_id, planned_at) WHERE kind <> 'reaction';

-- +goose Down
DROP INDEX turns_chat;
ALTER TABLE chat_clock DROP COLUMN waiting_for, DROP COLUMN waiting_since;
