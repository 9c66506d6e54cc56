-- +goose Up
-- Deliveries of the lane held wait for a person, and for nothing else: no sender claims
-- from it.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_lane_check, ADD CONSTRAINT deliveries_lane_check
    CHECK (lane IN ('message', 'reaction', 'command', 'held'));

-- +goose Down
-- What nobody has approved is not sent.
UPDATE turns t SET outcome = 'expired', reason = 'nobody approved it', closed_at = now()
FROM deliveries d WHERE d.lane = 'held' AND d.closed_at IS NULL AND t.chat_id = d.chat_id AND t.turn_no = d.turn_no AND t.closed_at IS NULL;
UPDATE deliveries SET state = 'closed', outcome = 'expired', reason = 'nobody approved it', closed_at = now() WHERE lane = 'held' AND closed_at IS NULL;
UPDATE deliveries SET lane = 'message' WHERE lane = 'held';
ALTER TABLE deliveries DROP CONSTRAINT deliveries_lane_check, ADD CONSTRAINT deliveries_lane_check
    CHECK (lane IN ('message', 'reaction', 'command'));
