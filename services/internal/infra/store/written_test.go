package store_test

// stockWritten inserts a call to a provider, and headlines, in addition to stock.
const stockWritten = `
INSERT INTO llm_calls (at, purpose, provider, outcome) VALUES (now(), 'text', 'first', 'written');
INSERT INTO llm_spending (day, provider) VALUES ('2026-01-01', 'first');
INSERT INTO memory_cursors (chat_id, sent_at) VALUES (1, now());
INSERT INTO feeds (url) VALUES ('http://feed');
INSERT INTO headlines (feed, guid, title, published_at) VALUES ('http://feed', '1', 'News', now());`

// badWritten returns invalid changes of the generator's tables.
func badWritten() map[string]string {
	return map[string]string{
		"memories_source_check":             `UPDATE memories SET source = 'dreams'`,
		"llm_calls_pkey":                    `INSERT INTO llm_calls (id, at, purpose, provider, outcome) OVERRIDING SYSTEM VALUE VALUES (1, now(), 'text', 'first', 'written')`,
		"llm_calls_purpose_check":           `UPDATE llm_calls SET purpose = 'fun'`,
		"llm_calls_prompt_tokens_check":     `UPDATE llm_calls SET prompt_tokens = -1`,
		"llm_calls_completion_tokens_check": `UPDATE llm_calls SET completion_tokens = -1`,
		"llm_calls_cost_check":              `UPDATE llm_calls SET cost = -1`,
		"llm_totals_pkey":                   `INSERT INTO llm_totals SELECT * FROM llm_totals`,
		"llm_totals_by_check":               `UPDATE llm_totals SET by = 'moon'`,
		"llm_totals_calls_check":            `UPDATE llm_totals SET calls = 0`,
		"llm_spending_pkey":                 `INSERT INTO llm_spending (day, provider) VALUES ('2026-01-01', 'first')`,
		"llm_spending_tokens_check":         `UPDATE llm_spending SET tokens = -1`,
		"llm_spending_cost_check":           `UPDATE llm_spending SET cost = -1`,
		"memory_cursors_pkey":               `INSERT INTO memory_cursors (chat_id, sent_at) VALUES (1, now())`,
		"memory_cursors_chat_id_fkey":       `INSERT INTO memory_cursors (chat_id, sent_at) VALUES (9, now())`,
		"feeds_pkey":                        `INSERT INTO feeds (url) VALUES ('http://feed')`,
		"feeds_failures_check":              `UPDATE feeds SET failures = -1`,
		"headlines_pkey":                    `INSERT INTO headlines (id, feed, guid, title, published_at) OVERRIDING SYSTEM VALUE VALUES (1, 'http://feed', '2', 'News', now())`,
		"headlines_feed_fkey":               `INSERT INTO headlines (feed, guid, title, published_at) VALUES ('http://none', '1', 'News', now())`,
		"headlines_feed_guid_key":           `INSERT INTO headlines (feed, guid, title, published_at) VALUES ('http://feed', '1', 'Other news', now())`,
		"headlines_title_check":             `UPDATE headlines SET title = ''`,
		"headlines_uses_check":              `UPDATE headlines SET uses = -1`,
	}
}
