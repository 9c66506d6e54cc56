-- +goose Up
-- What a director has paused: a bot in a chat, and with 0 all bots or all chats. A pause
-- ends by itself at a time, or is ended.
CREATE TABLE pauses (
    chat_id bigint NOT NULL CHECK (chat_id >= 0),
    bot_id bigint NOT NULL CHECK (bot_id >= 0),
    by text NOT NULL CHECK (by <> ''),
    since timestamptz NOT NULL DEFAULT now(),
    until timestamptz CHECK (until > since), -- NULL is until somebody ends it
    PRIMARY KEY (chat_id, bot_id)
);

-- What happens in a chat for a while, as a director has it.
CREATE TABLE scenes (
    chat_id bigint PRIMARY KEY REFERENCES chats ON DELETE CASCADE,
    body text NOT NULL CHECK (length(body) BETWEEN 1 AND 300),
    by text NOT NULL CHECK (by <> ''),
    begins_at timestamptz NOT NULL DEFAULT now(),
    ends_at timestamptz NOT NULL CHECK (ends_at > begins_at)
);

-- What was asked for by requests for turns, so that a request which is made again gets the
-- same turn.
CREATE TABLE directed_turns (
    request_id text PRIMARY KEY CHECK (request_id <> ''),
    chat_id bigint NOT NULL,
    turn_no bigint NOT NULL,
    FOREIGN KEY (chat_id, turn_no) REFERENCES turns ON DELETE CASCADE
);
CREATE INDEX directed_turns_turn ON directed_turns (chat_id, turn_no);

ALTER TABLE chat_clock DROP CONSTRAINT chat_clock_waiting_for_check, ADD CONSTRAINT chat_clock_waiting_for_check
    CHECK (waiting_for IN ('chat_disabled', 'simulation_off', 'no_cast', 'asleep', 'paused', 'muted', 'manual'));

-- Pauses and scenes are cached with their chats.
-- +goose StatementBegin
CREATE FUNCTION log_pause_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO cache_changes (tag)
    SELECT DISTINCT CASE WHEN chat = 0 THEN 'chat.profile' ELSE 'chat.profile:' || chat END
    FROM unnest(ARRAY[OLD.chat_id, NEW.chat_id]) AS chat WHERE chat IS NOT NULL;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER cached AFTER INSERT OR UPDATE OR DELETE ON pauses FOR EACH ROW EXECUTE FUNCTION log_pause_change();
CREATE TRIGGER cached_truncate AFTER TRUNCATE ON pauses EXECUTE FUNCTION log_cache_truncation();
CREATE TRIGGER cached AFTER INSERT OR UPDATE OR DELETE ON scenes FOR EACH ROW EXECUTE FUNCTION log_cache_change('chat.profile', 'chat_id');
CREATE TRIGGER cached_truncate AFTER TRUNCATE ON scenes EXECUTE FUNCTION log_cache_truncation();

-- +goose Down
UPDATE chat_clock SET waiting_for = NULL, waiting_since = NULL WHERE waiting_for IN ('paused', 'muted', 'manual');
ALTER TABLE chat_clock DROP CONSTRAINT chat_clock_waiting_for_check, ADD CONSTRAINT chat_clock_waiting_for_check
    CHECK (waiting_for IN ('chat_disabled', 'simulation_off', 'no_cast', 'asleep'));
DROP TABLE directed_turns, scenes, pauses;
DROP FUNCTION log_pause_change();
