package store_test

// stockUpdates inserts a valid row in every table of the intake.
const stockUpdates = `
UPDATE chats SET former_id = -50 WHERE id = 1;
INSERT INTO chat_pauses (chat_id) VALUES (1);
INSERT INTO listening (bot_id, update_offset) VALUES (1, 5);
INSERT INTO heard (bot_id, update_id) VALUES (1, 4);
INSERT INTO heard_events (chat_id, event) VALUES (1, 'title');
INSERT INTO commands (chat_id, message, bot_id, person_id, anonymous, name, argument, said_at) VALUES (1, 2, 1, 7, false, 'about', '', now());
INSERT INTO forgotten (person_id) VALUES (9);`

// badUpdates returns invalid changes of them.
func badUpdates() map[string]string {
	return map[string]string{
		"chats_former_id_key":           `UPDATE chats SET former_id = -50 WHERE id = 2`,
		"chats_former_id_check":         `UPDATE chats SET former_id = 50 WHERE id = 2`,
		"chat_pauses_pkey":              `INSERT INTO chat_pauses (chat_id) VALUES (1)`,
		"chat_pauses_chat_id_fkey":      `INSERT INTO chat_pauses (chat_id) VALUES (9)`,
		"chat_pauses_check":             `UPDATE chat_pauses SET paused_until = now()`,
		"listening_pkey":                `INSERT INTO listening (bot_id, update_offset) VALUES (1, 5)`,
		"listening_bot_id_fkey":         `INSERT INTO listening (bot_id, update_offset) VALUES (9, 5)`,
		"listening_update_offset_check": `UPDATE listening SET update_offset = -1`,
		"heard_pkey":                    `INSERT INTO heard (bot_id, update_id) VALUES (1, 4)`,
		"heard_bot_id_fkey":             `INSERT INTO heard (bot_id, update_id) VALUES (9, 4)`,
		"heard_events_pkey":             `INSERT INTO heard_events (chat_id, event) VALUES (1, 'title')`,
		"heard_events_chat_id_fkey":     `INSERT INTO heard_events (chat_id, event) VALUES (9, 'title')`,
		"commands_pkey":                 `INSERT INTO commands SELECT * FROM commands`,
		"commands_chat_id_fkey":         `UPDATE commands SET chat_id = 9`,
		"commands_bot_id_fkey":          `UPDATE commands SET bot_id = 9`,
		"commands_name_check":           `UPDATE commands SET name = 'dance'`,
		"forgotten_pkey":                `INSERT INTO forgotten (person_id) VALUES (9)`,
	}
}
