-- +goose Up
-- How the texts of turns were written: a row each time that a turn was, as far as the
-- chat's keep_drafts says, for as long as its keep_drafts_for says.
CREATE TABLE drafts (
    chat_id bigint NOT NULL,
    turn_no bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    prompt jsonb CHECK (jsonb_typeof(prompt) = 'array'), -- the messages that the model was asked by; NULL where they are not kept
    drafts jsonb NOT NULL CHECK (jsonb_typeof(drafts) = 'array'), -- what it wrote, in order, with what was objected to
    PRIMARY KEY (chat_id, turn_no, at),
    FOREIGN KEY (chat_id, turn_no) REFERENCES turns ON DELETE CASCADE
);

-- +goose Down
DROP TABLE drafts;
