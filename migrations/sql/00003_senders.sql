-- +goose Up

-- Who sends, and when each sender was last heard of. A delivery in state
-- 'sending' is an orphan only once its owner is silent: one that was cut off from
-- the bus alone is still in the midst of its call, and will write down its end.
CREATE TABLE senders (
    owner   text        PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- When the call under way was begun, if one is.
ALTER TABLE deliveries ADD COLUMN claimed_at timestamptz;

-- +goose Down
ALTER TABLE deliveries DROP COLUMN claimed_at;
DROP TABLE senders;
