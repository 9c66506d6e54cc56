-- +goose Up

-- Messages are spread over 8 tables instead of 32. A statement that writes for many
-- chats opens each table that it comes to, with its indexes, constraints and keys,
-- which took it more time than the rows; and one that reads locks all of them. At
-- 100 million messages a table holds twelve.
-- +goose StatementBegin
CREATE FUNCTION spread_messages(tables integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    part   text;
    former text[];
BEGIN
    ALTER TABLE message_ids DROP CONSTRAINT message_ids_chat_id_number_fkey;
    ALTER TABLE messages DROP CONSTRAINT messages_chat_id_reply_to_fkey;
    FOREACH parent IN ARRAY ARRAY['messages', 'message_ids'] LOOP
        SELECT array_agg(inhrelid::regclass::text) INTO former FROM pg_inherits WHERE inhparent = parent::regclass;
        FOREACH part IN ARRAY former LOOP
            EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, part);
            EXECUTE format('ALTER TABLE %I RENAME TO %I', part, 'former_' || part);
        END LOOP;
        FOR i IN 0..tables - 1 LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS %s, REMAINDER %s)', parent || '_' || i, parent, tables, i);
        END LOOP;
        FOREACH part IN ARRAY former LOOP
            EXECUTE format('INSERT INTO %I SELECT * FROM %I', parent, 'former_' || part);
            EXECUTE format('DROP TABLE %I', 'former_' || part);
        END LOOP;
    END LOOP;
    ALTER TABLE messages ADD FOREIGN KEY (chat_id, reply_to) REFERENCES messages (chat_id, number) ON DELETE SET NULL (reply_to);
    ALTER TABLE message_ids ADD FOREIGN KEY (chat_id, number) REFERENCES messages (chat_id, number) ON DELETE CASCADE;
END $$;
-- +goose StatementEnd
SELECT spread_messages(8);

-- +goose Down
SELECT spread_messages(32);
DROP FUNCTION spread_messages(integer);
