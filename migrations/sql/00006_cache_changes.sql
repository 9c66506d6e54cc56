-- +goose Up

-- What was changed, for those who cache it. Whoever changes a row that is
-- cached, in whatever way, adds to this log by a trigger, in the same
-- transaction; so nobody can forget to, and no crash comes in between.
--
-- It is a log and not a notification alone, because a notification is lost when
-- nobody listens, while Redis still holds what was cached before.
--
-- Messages, turns and deliveries are not announced: a commit that notifies waits
-- for all others that do.
CREATE TABLE cache_changes (
    id  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Who reads the log keeps the snapshot in which it did, and next time reads
    -- what that did not see. An id or a time would miss what was begun earlier
    -- and committed later.
    xid xid8        NOT NULL DEFAULT pg_current_xact_id(),
    at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- kind:id, a kind, or * for everything.
    tag text        NOT NULL CHECK (tag ~ '^([a-z_.]+(:[1-9][0-9]*)?|\*)$')
);
CREATE INDEX cache_changes_xid ON cache_changes (xid);
CREATE INDEX cache_changes_at ON cache_changes (at);

-- +goose StatementBegin
CREATE FUNCTION announce_cache_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('chorus_cache', '');
    RETURN NULL;
END $$;

-- The arguments are the kind, and the column with the key.
CREATE FUNCTION log_cache_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO cache_changes (tag)
    SELECT DISTINCT TG_ARGV[0] || ':' || key
    FROM unnest(ARRAY[to_jsonb(OLD) ->> TG_ARGV[1], to_jsonb(NEW) ->> TG_ARGV[1]]) AS key
    WHERE key IS NOT NULL;
    RETURN NULL;
END $$;

CREATE FUNCTION log_cache_truncation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO cache_changes (tag) VALUES ('*');
    RETURN NULL;
END $$;

-- Columns that are not cached, and change with every turn, are not in the lists.
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT * FROM (VALUES
        ('bots', 'bot', 'id', ''),
        ('personas', 'bot.persona', 'bot_id', ''),
        ('stances', 'bot.stances', 'bot_id', ''),
        ('holdings', 'bot.holdings', 'bot_id', ''),
        ('memories', 'bot.memories', 'bot_id', ' OF bot_id, kind, content, relevance'),
        ('chats', 'chat.profile', 'id', ''),
        ('cast_members', 'chat.cast', 'chat_id', ' OF chat_id, bot_id, suspended_at, suspended_why')
    ) AS cached (relation, kind, key, columns) LOOP
        EXECUTE format('CREATE TRIGGER cached AFTER INSERT OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION log_cache_change(%L, %L)',
            c.relation, c.kind, c.key);
        EXECUTE format('CREATE TRIGGER cached_update AFTER UPDATE' || c.columns || ' ON %I FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
            EXECUTE FUNCTION log_cache_change(%L, %L)', c.relation, c.kind, c.key);
        EXECUTE format('CREATE TRIGGER cached_truncate AFTER TRUNCATE ON %I EXECUTE FUNCTION log_cache_truncation()', c.relation);
    END LOOP;
END $$;
-- +goose StatementEnd

CREATE TRIGGER announce AFTER INSERT ON cache_changes EXECUTE FUNCTION announce_cache_changes();

-- +goose Down
-- +goose StatementBegin
DO $$
DECLARE
    relation text;
BEGIN
    FOREACH relation IN ARRAY ARRAY['bots', 'personas', 'stances', 'holdings', 'memories', 'chats', 'cast_members'] LOOP
        EXECUTE format('DROP TRIGGER cached ON %I', relation);
        EXECUTE format('DROP TRIGGER cached_update ON %I', relation);
        EXECUTE format('DROP TRIGGER cached_truncate ON %I', relation);
    END LOOP;
END $$;
-- +goose StatementEnd
DROP TABLE cache_changes;
DROP FUNCTION announce_cache_changes(), log_cache_change(), log_cache_truncation();
