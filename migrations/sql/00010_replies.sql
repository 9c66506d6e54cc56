-- +goose Up

-- The number of a message if there is still such a message, else NULL. As part of
-- a statement that writes messages, the same question makes the database open all
-- tables that messages are spread over, whoever answers whom; a function is asked
-- only about answers, and looks into one.
-- +goose StatementBegin
CREATE FUNCTION message_there(chat bigint, wanted bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT number FROM messages WHERE chat_id = chat AND number = wanted);
END $$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION message_there(bigint, bigint);
