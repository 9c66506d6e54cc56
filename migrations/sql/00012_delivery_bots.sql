-- +goose Up
-- A delivery's bot is its turn's, which refers to it. To ask for the bot once more
-- locks a row that all the deliveries of a bot want at the same time.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_bot_id_fkey;

-- +goose Down
ALTER TABLE deliveries ADD CONSTRAINT deliveries_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES bots;
