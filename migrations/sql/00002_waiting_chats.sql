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

-- The open messages of a chat. turns_open asks for closed_at, this one for
-- outcome, which is the same, so that none is taken for the other: while few
-- turns are open, the database finds both equally good, and reads those of all
-- chats for one chat's.
DROP INDEX turns_open_chat;
CREATE INDEX turns_open_chat ON turns (chat_id) WHERE outcome IS NULL AND kind <> 'reaction';

-- +goose Down
DROP INDEX turns_open_chat;
CREATE INDEX turns_open_chat ON turns (chat_id) WHERE closed_at IS NULL;
DROP INDEX turns_chat;
ALTER TABLE chat_clock DROP COLUMN waiting_for, DROP COLUMN waiting_since;
