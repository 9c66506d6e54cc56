-- +goose Up

-- What the planner saw when it found all of a cast asleep: when the chat or one of
-- its bots was changed last, and how many bots may act there. It looks again once
-- that is no longer so, and only then.
ALTER TABLE chat_clock
    ADD COLUMN waiting_changed timestamptz,
    ADD COLUMN waiting_cast    integer;

-- +goose Down
ALTER TABLE chat_clock DROP COLUMN waiting_changed, DROP COLUMN waiting_cast;
