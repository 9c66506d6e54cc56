package store_test

// stockDirected inserts a valid row in every table of people's directions and of written
// texts.
const stockDirected = `
INSERT INTO pauses (chat_id, bot_id, by) VALUES (1, 0, 'Kim');
INSERT INTO scenes (chat_id, body, by, ends_at) VALUES (1, 'The storm hits.', 'Kim', now() + interval '1 minute');
INSERT INTO directed_turns (request_id, chat_id, turn_no) VALUES ('r', 1, 1);
INSERT INTO drafts (chat_id, turn_no, prompt, drafts) VALUES (1, 1, '[]', '[]');
INSERT INTO decisions (chat_id, turn_no, version, what, by) VALUES (1, 1, 1, 'sent', 'Kim');
INSERT INTO notices (chat_id, turn_no, version, bot_id, shown_chat, shown_turn) VALUES (1, 1, 1, 1, 1, 2);
INSERT INTO presses (bot_id, update_id, query, shown_in, person_id, name, act, notice, body) VALUES (1, 1, 'q', -5, 7, 'Kim', 'send', 1, '');`

// badDirected returns invalid changes of them.
func badDirected() map[string]string {
	return map[string]string{
		"pauses_pkey":                         `INSERT INTO pauses (chat_id, bot_id, by) VALUES (1, 0, 'Tom')`,
		"pauses_chat_id_check":                `UPDATE pauses SET chat_id = -1`,
		"pauses_bot_id_check":                 `UPDATE pauses SET bot_id = -1`,
		"pauses_by_check":                     `UPDATE pauses SET by = ''`,
		"pauses_check":                        `UPDATE pauses SET until = since`,
		"scenes_pkey":                         `INSERT INTO scenes SELECT * FROM scenes`,
		"scenes_chat_id_fkey":                 `UPDATE scenes SET chat_id = 9`,
		"scenes_body_check":                   `UPDATE scenes SET body = ''`,
		"scenes_by_check":                     `UPDATE scenes SET by = ''`,
		"scenes_check":                        `UPDATE scenes SET ends_at = begins_at`,
		"directed_turns_pkey":                 `INSERT INTO directed_turns SELECT * FROM directed_turns`,
		"directed_turns_request_id_check":     `UPDATE directed_turns SET request_id = ''`,
		"directed_turns_chat_id_turn_no_fkey": `UPDATE directed_turns SET turn_no = 9`,
		"drafts_pkey":                         `INSERT INTO drafts SELECT * FROM drafts`,
		"drafts_chat_id_turn_no_fkey":         `UPDATE drafts SET turn_no = 9`,
		"drafts_prompt_check":                 `UPDATE drafts SET prompt = '{}'`,
		"drafts_drafts_check":                 `UPDATE drafts SET drafts = '"text"'`,
		"decisions_pkey":                      `INSERT INTO decisions SELECT * FROM decisions`,
		"decisions_what_check":                `UPDATE decisions SET what = 'burnt'`,
		"decisions_by_check":                  `UPDATE decisions SET by = ''`,
		"decisions_chat_id_turn_no_fkey":      `UPDATE decisions SET turn_no = 9`,
		"notices_pkey":                        `INSERT INTO notices OVERRIDING SYSTEM VALUE SELECT * FROM notices`,
		"notices_chat_id_turn_no_version_key": `INSERT INTO notices (chat_id, turn_no, version, bot_id, shown_chat, shown_turn) VALUES (1, 1, 1, 1, 1, 3)`,
		"notices_chat_id_turn_no_fkey":        `UPDATE notices SET turn_no = 9`,
		"notices_shown_chat_shown_turn_fkey":  `UPDATE notices SET shown_turn = 9`,
		"presses_pkey":                        `INSERT INTO presses SELECT * FROM presses`,
		"presses_bot_id_fkey":                 `UPDATE presses SET bot_id = 9`,
		"presses_attempts_check":              `UPDATE presses SET attempts = -1`,
		"chats_private_check":                 `INSERT INTO chats (name, telegram_id, kind, enabled) VALUES ('kim', 7, 'private', true)`,
	}
}
