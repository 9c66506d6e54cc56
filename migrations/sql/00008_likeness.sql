-- +goose Up

-- A call may be for the comparison of what texts mean.
ALTER TABLE llm_calls DROP CONSTRAINT llm_calls_purpose_check;
ALTER TABLE llm_calls ADD CONSTRAINT llm_calls_purpose_check CHECK (purpose IN ('text', 'rewrite', 'judge', 'memory', 'likeness'));

-- +goose Down
DELETE FROM llm_calls WHERE purpose = 'likeness';
ALTER TABLE llm_calls DROP CONSTRAINT llm_calls_purpose_check;
ALTER TABLE llm_calls ADD CONSTRAINT llm_calls_purpose_check CHECK (purpose IN ('text', 'rewrite', 'judge', 'memory'));
