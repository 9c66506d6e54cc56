-- +goose Up

-- Who writes as a channel, or as an anonymous administrator in the name of the
-- group, is that chat, whose id is below 0. Until now all of the one kind shared
-- Telegram's account 136817688, all of the other 1087968824, and so the name of
-- whoever wrote last: it goes, and what was written leaves with its retention.
ALTER TABLE people DROP CONSTRAINT people_telegram_id_check;
ALTER TABLE people ADD CONSTRAINT people_telegram_id_check CHECK (telegram_id <> 0);
UPDATE people SET name = 'Somebody', username = '' WHERE telegram_id IN (136817688, 1087968824, 777000);
DELETE FROM commands WHERE person_id IN (136817688, 1087968824, 777000);

-- Commands and the answers to them are messages, because they have ids and may be
-- replied to, but no talk: no history, no target, nothing to remember.
ALTER TABLE messages ADD COLUMN talk boolean NOT NULL DEFAULT true;

-- +goose Down
ALTER TABLE messages DROP COLUMN talk;
DELETE FROM people WHERE telegram_id < 0;
ALTER TABLE people DROP CONSTRAINT people_telegram_id_check;
ALTER TABLE people ADD CONSTRAINT people_telegram_id_check CHECK (telegram_id > 0);
