package store_test

import (
	"errors"
	"maps"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/chorus-cast/chorus/services/lab/testenv"
)

// stock inserts a valid row in every table: bots 1 and 2, chats 1 (a supergroup) and 2 (a
// basic group), turns 1 to 3 of chat 1.
const stock = `
INSERT INTO bots (name, telegram_id, username, token_sealed) VALUES ('anna', 11, 'anna_bot', 'x'), ('mia', 12, 'mia_bot', 'x');
INSERT INTO personas (bot_id, display_name, summary) VALUES (1, 'Anna', 'Reads.'), (2, 'Mia', 'Rides.');
INSERT INTO stances (bot_id, topic, stance) VALUES (1, 'books', 'good');
INSERT INTO holdings (bot_id, item, quantity) VALUES (1, 'Smilla', 2);
INSERT INTO memories (bot_id, kind, content) VALUES (1, 'fact', 'Tom rows.');
INSERT INTO chats (name, telegram_id, kind) VALUES ('club', -1000000000001, 'supergroup'), ('table', -5, 'group');
INSERT INTO cast_members (chat_id, bot_id) VALUES (1, 1), (1, 2), (2, 1);
INSERT INTO settings (key, scope, scope_id, value) VALUES ('reply_probability', 'chat', 1, '0.5');
INSERT INTO people (telegram_id, name) VALUES (7, 'Tom');
INSERT INTO messages (chat_id, number, bot_id, turn_no, telegram_id, body, sent_at) VALUES (1, 1, 1, 1, 100, 'Hello', now());
INSERT INTO messages (chat_id, number, person_id, reply_to, body, sent_at) VALUES (1, 2, 7, 1, 'Hello', now()), (2, 3, 7, NULL, 'Hello', now());
INSERT INTO message_ids (chat_id, viewer, telegram_id, number) VALUES (1, 1, 7, 1), (2, 1, 5, 3), (2, 2, 5, 3);
INSERT INTO chat_clock (chat_id, next_turn_at) VALUES (1, now());
INSERT INTO turns (chat_id, turn_no, bot_id, kind, target_message, payload, planned_at, due_at, expires_at) VALUES
    (1, 1, 1, 'message', NULL, '', now(), now(), now() + interval '1 minute'),
    (1, 2, 1, 'reaction', 2, '', now(), now(), now() + interval '1 minute'),
    (1, 3, 1, 'reply', 2, '', now(), now(), now() + interval '1 minute');
INSERT INTO deliveries (chat_id, turn_no, bot_id, action, lane, payload, expires_at) VALUES
    (1, 1, 1, 'send_message', 'message', '', now()), (1, 2, 1, 'set_reaction', 'reaction', '', now());
INSERT INTO dead_letters (chat_id, turn_no, service, reason, attempts) VALUES (1, 1, 'sender', 'broken', 1);
INSERT INTO prompts (chat_id, message, person_id, addressed_bots, happened_at, heard_at) VALUES (1, 2, 7, '{}', now(), now());
INSERT INTO waits (bot_id, chat_id, until) VALUES (1, 1, now());
SELECT setval('message_numbers', 100);`

// bad returns statements that would make the valid state invalid, by the constraint that
// must prevent it.
func bad() map[string]string {
	return map[string]string{
		"waits_pkey":                            `INSERT INTO waits (bot_id, chat_id, until) VALUES (1, 1, now())`,
		"bots_pkey":                             `INSERT INTO bots (id, name, token_sealed) OVERRIDING SYSTEM VALUE VALUES (1, 'new', 'x')`,
		"bots_name_key":                         `UPDATE bots SET name = 'mia' WHERE id = 1`,
		"bots_name_check":                       `UPDATE bots SET name = 'Anna B' WHERE id = 1`,
		"bots_telegram_id_key":                  `UPDATE bots SET telegram_id = 12 WHERE id = 1`,
		"bots_telegram_id_check":                `UPDATE bots SET telegram_id = -11 WHERE id = 1`,
		"bots_username":                         `UPDATE bots SET username = 'MIA_bot' WHERE id = 1`,
		"bots_username_check":                   `UPDATE bots SET username = '@anna' WHERE id = 1`,
		"bots_typing_wpm_check":                 `UPDATE bots SET typing_wpm = 4 WHERE id = 1`,
		"bots_tempo_check":                      `UPDATE bots SET tempo = 0 WHERE id = 1`,
		"bots_hourly_min_check":                 `UPDATE bots SET hourly_min = -1 WHERE id = 1`,
		"bots_hourly_max_check":                 `UPDATE bots SET hourly_max = 0 WHERE id = 1`,
		"bots_check":                            `UPDATE bots SET hourly_min = 10, hourly_max = 9 WHERE id = 1`,
		"bots_check1":                           `UPDATE bots SET stopped_at = now() WHERE id = 1`,
		"personas_pkey":                         `INSERT INTO personas (bot_id, display_name, summary) VALUES (1, 'A', 'B')`,
		"personas_bot_id_fkey":                  `INSERT INTO personas (bot_id, display_name, summary) VALUES (9, 'A', 'B')`,
		"personas_display_name_check":           `UPDATE personas SET display_name = '' WHERE bot_id = 1`,
		"personas_summary_check":                `UPDATE personas SET summary = '' WHERE bot_id = 1`,
		"personas_tone_check":                   `UPDATE personas SET tone = '' WHERE bot_id = 1`,
		"personas_hint_check":                   `UPDATE personas SET hint = repeat('x', 1001) WHERE bot_id = 1`,
		"personas_empathy_check":                `UPDATE personas SET empathy = 1.1 WHERE bot_id = 1`,
		"personas_energy_check":                 `UPDATE personas SET energy = -0.1 WHERE bot_id = 1`,
		"stances_pkey":                          `INSERT INTO stances (bot_id, topic, stance) VALUES (1, 'books', 'bad')`,
		"stances_bot_id_fkey":                   `INSERT INTO stances (bot_id, topic, stance) VALUES (9, 'books', 'bad')`,
		"stances_topic_check":                   `UPDATE stances SET topic = ''`,
		"stances_stance_check":                  `UPDATE stances SET stance = ''`,
		"stances_confidence_check":              `UPDATE stances SET confidence = 2`,
		"holdings_pkey":                         `INSERT INTO holdings (bot_id, item) VALUES (1, 'Smilla')`,
		"holdings_bot_id_fkey":                  `INSERT INTO holdings (bot_id, item) VALUES (9, 'Smilla')`,
		"holdings_item_check":                   `UPDATE holdings SET item = ''`,
		"holdings_quantity_check":               `UPDATE holdings SET quantity = 0`,
		"holdings_note_check":                   `UPDATE holdings SET note = repeat('x', 1001)`,
		"memories_pkey":                         `INSERT INTO memories (id, bot_id, kind, content) OVERRIDING SYSTEM VALUE VALUES (1, 2, 'fact', 'x')`,
		"memories_bot_id_fkey":                  `INSERT INTO memories (bot_id, kind, content) VALUES (9, 'fact', 'x')`,
		"memories_given":                        `INSERT INTO memories (bot_id, kind, content) VALUES (1, 'fact', 'Tom rows.')`,
		"memories_chat_check":                   `INSERT INTO memories (bot_id, chat_id, kind, content) VALUES (1, 1, 'fact', 'Tom swims.')`,
		"memories_chat_id_fkey":                 `INSERT INTO memories (bot_id, chat_id, source, kind, content) VALUES (1, 9, 'learned', 'fact', 'Tom swims.')`,
		"memory_people_pkey":                    `INSERT INTO memory_people (memory_id, person_id) VALUES (1, 7), (1, 7)`,
		"memory_people_memory_id_fkey":          `INSERT INTO memory_people (memory_id, person_id) VALUES (9, 7)`,
		"answers_pkey":                          `INSERT INTO answers (chat_id, message) VALUES (1, 1), (1, 1)`,
		"answers_chat_id_fkey":                  `INSERT INTO answers (chat_id, message) VALUES (9, 1)`,
		"prompt_skips_pkey":                     `INSERT INTO prompt_skips (chat_id, day, reason) VALUES (1, '2026-01-01', 'x'), (1, '2026-01-01', 'x')`,
		"prompt_skips_chat_id_fkey":             `INSERT INTO prompt_skips (chat_id, day, reason) VALUES (9, '2026-01-01', 'x')`,
		"prompt_skips_prompts_check":            `INSERT INTO prompt_skips (chat_id, day, reason, prompts) VALUES (1, '2026-01-01', 'x', -1)`,
		"chat_clock_texts_check":                `UPDATE chat_clock SET texts = -1`,
		"memories_kind_check":                   `UPDATE memories SET kind = 'rumour'`,
		"memories_content_check":                `UPDATE memories SET content = ''`,
		"memories_relevance_check":              `UPDATE memories SET relevance = 1.5`,
		"memories_uses_check":                   `UPDATE memories SET uses = -1`,
		"chats_pkey":                            `INSERT INTO chats (id, name, telegram_id, kind) OVERRIDING SYSTEM VALUE VALUES (1, 'new', -6, 'group')`,
		"chats_name_key":                        `UPDATE chats SET name = 'table' WHERE id = 1`,
		"chats_name_check":                      `UPDATE chats SET name = '-' WHERE id = 1`,
		"chats_telegram_id_key":                 `INSERT INTO chats (name, telegram_id, kind) VALUES ('new', -5, 'group')`,
		"chats_telegram_id_check":               `UPDATE chats SET telegram_id = 5 WHERE id = 2`,
		"chats_kind_check":                      `UPDATE chats SET kind = 'channel' WHERE id = 2`,
		"chats_check":                           `UPDATE chats SET kind = 'supergroup' WHERE id = 2`,
		"chats_title_check":                     `UPDATE chats SET title = repeat('x', 256) WHERE id = 1`,
		"chats_purpose_check":                   `UPDATE chats SET purpose = repeat('x', 1001) WHERE id = 1`,
		"chats_disclaimer_check":                `UPDATE chats SET disclaimer = repeat('x', 501) WHERE id = 1`,
		"chats_time_zone_check":                 `UPDATE chats SET time_zone = '' WHERE id = 1`,
		"chats_language_check":                  `UPDATE chats SET language = 'english' WHERE id = 1`,
		"chats_mean_gap_check":                  `UPDATE chats SET mean_gap = '0' WHERE id = 1`,
		"chats_retention_days_check":            `UPDATE chats SET retention_days = 0 WHERE id = 1`,
		"cast_members_pkey":                     `INSERT INTO cast_members (chat_id, bot_id) VALUES (1, 1)`,
		"cast_members_chat_id_fkey":             `INSERT INTO cast_members (chat_id, bot_id) VALUES (9, 1)`,
		"cast_members_bot_id_fkey":              `INSERT INTO cast_members (chat_id, bot_id) VALUES (1, 9)`,
		"cast_members_check":                    `UPDATE cast_members SET suspended_why = 'kicked'`,
		"settings_pkey":                         `INSERT INTO settings (key, scope, scope_id, value) VALUES ('reply_probability', 'chat', 1, '1')`,
		"settings_key_check":                    `UPDATE settings SET key = 'Reply'`,
		"settings_scope_check":                  `UPDATE settings SET scope = 'person'`,
		"settings_check":                        `UPDATE settings SET scope_id = 0`,
		"people_pkey":                           `INSERT INTO people (telegram_id, name) VALUES (7, 'Tim')`,
		"people_telegram_id_check":              `INSERT INTO people (telegram_id, name) VALUES (0, 'Tim')`,
		"people_name_check":                     `UPDATE people SET name = ''`,
		"messages_pkey":                         `INSERT INTO messages (chat_id, number, person_id, body, sent_at) VALUES (1, 1, 7, 'again', now())`,
		"messages_chat_id_fkey":                 `INSERT INTO messages (chat_id, person_id, body, sent_at) VALUES (9, 7, 'nowhere', now())`,
		"messages_person_id_fkey":               `INSERT INTO messages (chat_id, person_id, body, sent_at) VALUES (1, 9, 'nobody', now())`,
		"messages_telegram_id_check":            `UPDATE messages SET telegram_id = 0`,
		"messages_chat_id_turn_no_part_key":     `INSERT INTO messages (chat_id, bot_id, turn_no, body, sent_at) VALUES (1, 1, 1, 'twice', now())`,
		"messages_part_check":                   `INSERT INTO messages (chat_id, bot_id, turn_no, part, body, sent_at) VALUES (1, 1, 3, 0, 'none', now())`,
		"messages_author_check":                 `INSERT INTO messages (chat_id, bot_id, person_id, body, sent_at) VALUES (1, 1, 7, 'both', now())`,
		"messages_turn_check":                   `INSERT INTO messages (chat_id, person_id, turn_no, body, sent_at) VALUES (1, 7, 9, 'a turn', now())`,
		"messages_body_check":                   `INSERT INTO messages (chat_id, person_id, body, sent_at) VALUES (1, 7, '', now())`,
		"message_ids_pkey":                      `INSERT INTO message_ids (chat_id, viewer, telegram_id, number) VALUES (2, 1, 5, 4)`,
		"message_ids_chat_id_number_viewer_key": `INSERT INTO message_ids (chat_id, viewer, telegram_id, number) VALUES (2, 1, 6, 3)`,
		"message_ids_chat_id_number_fkey":       `INSERT INTO message_ids (chat_id, viewer, telegram_id, number) VALUES (2, 1, 8, 99)`,
		"message_ids_viewer_check":              `UPDATE message_ids SET viewer = 0 WHERE chat_id = 2`,
		"message_ids_telegram_id_check":         `UPDATE message_ids SET telegram_id = 0 WHERE chat_id = 2`,
		"chat_clock_pkey":                       `INSERT INTO chat_clock (chat_id, next_turn_at) VALUES (1, now())`,
		"chat_clock_chat_id_fkey":               `INSERT INTO chat_clock (chat_id, next_turn_at) VALUES (9, now())`,
		"chat_clock_waiting_check":              `UPDATE chat_clock SET waiting_for = 'asleep'`,
		"chat_clock_waiting_for_check":          `UPDATE chat_clock SET waiting_for = 'godot', waiting_since = now()`,
		"chat_clock_turn_no_check":              `UPDATE chat_clock SET turn_no = -1`,
		"turn_counts_pkey":                      `INSERT INTO turn_counts VALUES (1, '{1}', 1), (1, '{1}', 1)`,
		"turns_pkey":                            `INSERT INTO turns (chat_id, turn_no, bot_id, kind, payload, planned_at, due_at, expires_at) VALUES (1, 1, 1, 'message', '', now(), now(), now() + interval '1 minute')`,
		"turns_chat_id_fkey":                    `INSERT INTO turns (chat_id, turn_no, bot_id, kind, payload, planned_at, due_at, expires_at) VALUES (9, 1, 1, 'message', '', now(), now(), now() + interval '1 minute')`,
		"turns_turn_no_check":                   `INSERT INTO turns (chat_id, turn_no, bot_id, kind, payload, planned_at, due_at, expires_at) VALUES (1, 0, 1, 'message', '', now(), now(), now() + interval '1 minute')`,
		"turns_kind_check":                      `UPDATE turns SET kind = 'edit' WHERE turn_no = 3`,
		"turns_outcome_check":                   `UPDATE turns SET outcome = 'lost', closed_at = now()`,
		"turns_check":                           `UPDATE turns SET due_at = planned_at + interval '1 second'`,
		"turns_check1":                          `UPDATE turns SET expires_at = planned_at`,
		"turns_check3":                          `UPDATE turns SET closed_at = now()`,
		"deliveries_pkey":                       `INSERT INTO deliveries (chat_id, turn_no, bot_id, action, lane, payload, expires_at) VALUES (1, 1, 1, 'send_message', 'message', '', now())`,
		"deliveries_chat_id_turn_no_fkey":       `INSERT INTO deliveries (chat_id, turn_no, bot_id, action, lane, payload, expires_at) VALUES (1, 9, 1, 'send_message', 'message', '', now())`,
		"deliveries_state_check":                `UPDATE deliveries SET state = 'sent'`,
		"deliveries_step_check":                 `UPDATE deliveries SET step = 'third' WHERE action = 'set_reaction'`,
		"deliveries_attempts_check":             `UPDATE deliveries SET attempts = -1`,
		"turns_target_check":                    `UPDATE turns SET target_message = NULL WHERE turn_no = 3`,
		"turns_claim_check":                     `UPDATE turns SET owner = 1`,
		"turns_written_check":                   `UPDATE turns SET outcome = 'dead', closed_at = now() WHERE turn_no = 3`,
		"turns_attempts_check":                  `UPDATE turns SET attempts = -1`,
		"deliveries_part_check":                 `UPDATE deliveries SET part = 0`,
		"deliveries_lane_check":                 `UPDATE deliveries SET lane = 'fast'`,
		"deliveries_outcome_check":              `UPDATE deliveries SET state = 'closed', outcome = 'lost', closed_at = now()`,
		"deliveries_outcome_check2":             `UPDATE deliveries SET outcome = 'dead'`,
		"deliveries_claim_check":                `UPDATE deliveries SET state = 'sending'`,
		"deliveries_wait_check":                 `UPDATE deliveries SET state = 'sending', owner = 1, claimed_until = now(), not_before = now()`,
		"deliveries_check1":                     `UPDATE deliveries SET closed_at = now()`,
		"dead_letters_pkey":                     `INSERT INTO dead_letters (chat_id, turn_no, service, reason, attempts) VALUES (1, 1, 'sender', 'again', 1)`,
		"dead_letters_chat_id_turn_no_fkey":     `INSERT INTO dead_letters (chat_id, turn_no, service, reason, attempts) VALUES (1, 9, 'sender', 'none', 1)`,
		"dead_letters_attempts_check":           `UPDATE dead_letters SET attempts = 0`,
		"dead_letters_replays_check":            `UPDATE dead_letters SET replays = -1`,
		"prompts_pkey":                          `INSERT INTO prompts (chat_id, message, person_id, addressed_bots, happened_at, heard_at) VALUES (1, 2, 7, '{}', now(), now())`,
		"prompts_chat_id_fkey":                  `INSERT INTO prompts (chat_id, message, person_id, addressed_bots, happened_at, heard_at) VALUES (9, 2, 7, '{}', now(), now())`,
		"prompts_attempts_check":                `UPDATE prompts SET attempts = -1`,
		"prompts_check":                         `UPDATE prompts SET owner = 1`,
		"schema_support_pkey":                   `INSERT INTO schema_support (oldest_build) VALUES (99)`,
		"schema_support_one_check":              `INSERT INTO schema_support (one, oldest_build) VALUES (false, 99)`,
		"cache_changes_pkey":                    `INSERT INTO cache_changes (id, tag) OVERRIDING SYSTEM VALUE SELECT min(id), 'bot' FROM cache_changes`,
		"cache_changes_tag_check":               `INSERT INTO cache_changes (tag) VALUES ('Bot:1')`,
	}
}

// rules selects the names of all constraints except NOT NULL.
const rules = `
SELECT conname FROM pg_constraint
WHERE contype IN ('c', 'u', 'f', 'p') AND connamespace = 'public'::regnamespace
  AND conrelid::regclass::text !~ '^goose'`

func TestEveryRuleStopsABadState(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Postgres(t))
	exec(t, conn, stock)
	exec(t, conn, stockUpdates)
	exec(t, conn, stockWritten)
	exec(t, conn, stockDirected)
	exec(t, conn, stockConsole)
	rows, err := conn.Query(t.Context(), rules)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	statements := bad()
	maps.Copy(statements, badUpdates())
	maps.Copy(statements, badWritten())
	maps.Copy(statements, badDirected())
	maps.Copy(statements, badConsole())
	for _, name := range names {
		if statements[name] == "" {
			t.Errorf("nothing shows what rule %s stops: add a statement above", name)
		}
	}
	for name, sql := range statements {
		var stopped *pgconn.PgError
		switch _, err := conn.Exec(t.Context(), sql); {
		case err == nil:
			t.Errorf("%s: nothing stopped %s", name, sql)
		case !errors.As(err, &stopped):
			t.Fatal(err)
		case stopped.ConstraintName != name:
			t.Errorf("%s: stopped by %q (%s), as was not meant: %s", name, stopped.ConstraintName, stopped.Message, sql)
		}
	}
}

func TestWhatBelongsToAChatGoesWithIt(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Postgres(t))
	exec(t, conn, stock)
	exec(t, conn, stockDirected)
	exec(t, conn, `DELETE FROM messages WHERE chat_id = 1 AND number = 1`)
	for what, query := range map[string]string{
		"answers to it": `SELECT 1 - count(*) FROM messages WHERE number = 2`, "its ids": `SELECT count(*) FROM message_ids WHERE chat_id = 1`,
	} {
		var wrong int
		if err := conn.QueryRow(t.Context(), query).Scan(&wrong); err != nil || wrong != 0 {
			t.Errorf("a message is gone: %s are %d too many or too few (%v)", what, wrong, err)
		}
	}
	exec(t, conn, `DELETE FROM chats WHERE id = 1`)
	for _, table := range []string{"cast_members", "messages", "message_ids", "chat_clock", "turns", "deliveries", "dead_letters", "prompts", "drafts"} {
		var left int
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM `+table+` WHERE chat_id = 1`).Scan(&left); err != nil || left != 0 {
			t.Errorf("%d rows are left in %s (%v)", left, table, err)
		}
	}
}
