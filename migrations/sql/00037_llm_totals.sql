-- +goose Up
-- What the calls of a day (UTC) come to, by each of what they are summed by: budgets and
-- pages read it, and the single calls are not added up again and again.
CREATE TABLE llm_totals (
    by                text   NOT NULL CHECK (by IN ('chat', 'bot', 'provider', 'purpose')),
    day               date   NOT NULL,
    -- Its id or name; empty for calls that are about none.
    key               text   NOT NULL,
    -- The provider's; empty for what is no provider.
    model             text   NOT NULL,
    calls             bigint NOT NULL CHECK (calls > 0),
    failed            bigint NOT NULL,
    prompt_tokens     bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    cost              numeric(18, 9) NOT NULL,
    -- Of the calls that gave a text, all together.
    latency           interval NOT NULL,
    PRIMARY KEY (by, day, key, model)
) WITH (fillfactor = 70);

-- Whoever writes a call down adds it to the totals in the same statement: the build before
-- does so, too. In the order of the key, so that replicas don't wait for each other in turn.
-- +goose StatementBegin
CREATE FUNCTION add_llm_calls() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO llm_totals AS t (by, day, key, model, calls, failed, prompt_tokens, completion_tokens, cost, latency)
    SELECT a.by, (c.at AT TIME ZONE 'UTC')::date, a.key, a.model, count(*), count(*) FILTER (WHERE c.outcome <> 'written'),
        sum(c.prompt_tokens), sum(c.completion_tokens), sum(c.cost), coalesce(sum(c.latency) FILTER (WHERE c.outcome = 'written'), '0')
    FROM new_calls c, LATERAL (VALUES ('chat', coalesce(c.chat_id::text, ''), ''), ('bot', coalesce(c.bot_id::text, ''), ''),
        ('provider', c.provider, c.model), ('purpose', c.purpose, '')) AS a (by, key, model)
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (by, day, key, model) DO UPDATE SET calls = t.calls + excluded.calls, failed = t.failed + excluded.failed,
        prompt_tokens = t.prompt_tokens + excluded.prompt_tokens, completion_tokens = t.completion_tokens + excluded.completion_tokens,
        cost = t.cost + excluded.cost, latency = t.latency + excluded.latency;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- Calls that are being written down are waited for, and new ones wait: each is added once,
-- here or by the trigger.
CREATE TRIGGER add_calls AFTER INSERT ON llm_calls REFERENCING NEW TABLE AS new_calls FOR EACH STATEMENT EXECUTE FUNCTION add_llm_calls();
INSERT INTO llm_totals (by, day, key, model, calls, failed, prompt_tokens, completion_tokens, cost, latency)
SELECT a.by, (c.at AT TIME ZONE 'UTC')::date, a.key, a.model, count(*), count(*) FILTER (WHERE c.outcome <> 'written'),
    sum(c.prompt_tokens), sum(c.completion_tokens), sum(c.cost), coalesce(sum(c.latency) FILTER (WHERE c.outcome = 'written'), '0')
FROM llm_calls c, LATERAL (VALUES ('chat', coalesce(c.chat_id::text, ''), ''), ('bot', coalesce(c.bot_id::text, ''), ''),
    ('provider', c.provider, c.model), ('purpose', c.purpose, '')) AS a (by, key, model)
GROUP BY 1, 2, 3, 4;

-- +goose Down
DROP TRIGGER add_calls ON llm_calls;
DROP FUNCTION add_llm_calls;
DROP TABLE llm_totals;
