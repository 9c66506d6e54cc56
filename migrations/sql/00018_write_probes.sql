-- +goose Up

-- Whether the database takes what is written, and not only answers: services
-- insert a row here and roll it back when they are asked whether they are ready. A
-- row fills a page, so that the table has to grow, which a full disk refuses.
CREATE TABLE write_probes (filler text NOT NULL);
ALTER TABLE write_probes ALTER COLUMN filler SET STORAGE PLAIN;

-- +goose Down
DROP TABLE write_probes;
