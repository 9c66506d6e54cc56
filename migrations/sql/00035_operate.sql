-- +goose Up
-- A chat plans nothing while too many of its texts wait for a person.
ALTER TABLE chat_clock DROP CONSTRAINT chat_clock_waiting_for_check, ADD CONSTRAINT chat_clock_waiting_for_check
    CHECK (waiting_for IN ('chat_disabled', 'simulation_off', 'no_cast', 'asleep', 'paused', 'muted', 'manual', 'approvals'));

-- The audit log is read by time.
CREATE INDEX audit_log_at ON audit_log (at, id);

-- +goose Down
DROP INDEX audit_log_at;
UPDATE chat_clock SET waiting_for = NULL, waiting_since = NULL WHERE waiting_for = 'approvals';
ALTER TABLE chat_clock DROP CONSTRAINT chat_clock_waiting_for_check, ADD CONSTRAINT chat_clock_waiting_for_check
    CHECK (waiting_for IN ('chat_disabled', 'simulation_off', 'no_cast', 'asleep', 'paused', 'muted', 'manual'));
