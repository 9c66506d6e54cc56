-- +goose Up
-- By what way somebody decided on a text (as in the audit log), what it was where it is not
-- kept as a delivery any more, and the note to who writes it again.
ALTER TABLE decisions ADD COLUMN via text NOT NULL DEFAULT '', ADD COLUMN draft text[], ADD COLUMN note text NOT NULL DEFAULT '';

-- When to look whether the message that shows a text is still there, and whether it was gone.
ALTER TABLE notices ADD COLUMN look_at timestamptz, ADD COLUMN gone boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE notices DROP COLUMN look_at, DROP COLUMN gone;
ALTER TABLE decisions DROP COLUMN via, DROP COLUMN draft, DROP COLUMN note;
