-- +goose Up
-- Whether a chat is in a lively spell, in which turns follow each other quickly.
ALTER TABLE chat_clock ADD COLUMN lively boolean NOT NULL DEFAULT true;
-- +goose Down
ALTER TABLE chat_clock DROP COLUMN lively;
