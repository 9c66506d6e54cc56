-- +goose Up

-- What Telegram refuses ends again: a bot that was stopped, or suspended in a chat,
-- is looked at now and then.
--
-- next_try_at is when it is looked at next; NULL is at once, and infinity is never:
-- then it isn't Telegram who wants it. tries is how many pauses it has made in a
-- row, which is what the next one depends on; it is 0 again once a message was
-- delivered. resumed_at is when the last pause ended.
ALTER TABLE bots ADD COLUMN next_try_at timestamptz, ADD COLUMN tries integer NOT NULL DEFAULT 0;
ALTER TABLE cast_members ADD COLUMN next_try_at timestamptz, ADD COLUMN tries integer NOT NULL DEFAULT 0, ADD COLUMN resumed_at timestamptz;
-- A chat that allows no reactions gets none, so nobody would find out that it allows
-- them again.
ALTER TABLE chats ADD COLUMN reactions_next_at timestamptz, ADD COLUMN reactions_tries integer NOT NULL DEFAULT 0;

UPDATE cast_members SET next_try_at = 'infinity' WHERE suspended_why = 'an administrator of the chat wants it quiet';

CREATE INDEX bots_next_try ON bots (coalesce(next_try_at, stopped_at)) WHERE stopped_at IS NOT NULL;
CREATE INDEX cast_members_next_try ON cast_members (coalesce(next_try_at, suspended_at)) WHERE suspended_at IS NOT NULL;
CREATE INDEX cast_members_trial ON cast_members (resumed_at) WHERE tries > 0 AND suspended_at IS NULL;
CREATE INDEX chats_next_try ON chats (coalesce(reactions_next_at, updated_at)) WHERE allowed_reactions = '{}';

-- +goose Down
DROP INDEX chats_next_try, cast_members_trial, cast_members_next_try, bots_next_try;
ALTER TABLE chats DROP COLUMN reactions_next_at, DROP COLUMN reactions_tries;
ALTER TABLE cast_members DROP COLUMN next_try_at, DROP COLUMN tries, DROP COLUMN resumed_at;
ALTER TABLE bots DROP COLUMN next_try_at, DROP COLUMN tries;
