-- +goose Up
-- The oldest build that works on this schema, by the newest migration that it knows.
-- A schema serves the builds of its own version and, while nothing that they use is
-- taken away, older ones: so a new version of the services is rolled out, and back,
-- while the old one works. A migration that takes something away comes one version
-- after the build that no longer uses it, and moves this on to that build.
CREATE TABLE schema_support (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    oldest_build bigint NOT NULL
);
INSERT INTO schema_support (oldest_build) VALUES (21);

-- +goose Down
DROP TABLE schema_support;
