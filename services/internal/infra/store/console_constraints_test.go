package store_test

// stockConsole inserts valid rows of the console's tables.
const stockConsole = `
INSERT INTO audit_log (actor, origin, via, operation) VALUES ('Kim', 'here', 'console', 'pause');
INSERT INTO cast_versions (actor, file, changes) VALUES ('Kim', 'bots: []', '[]');
INSERT INTO idempotency_keys (actor, key, operation, request_hash) VALUES ('Kim', 'k', 'pause', '');
INSERT INTO login_failures (who, failures, next_at) VALUES ('Kim', 1, now());
INSERT INTO users (name, role, oidc_subject) VALUES ('Kim', 'owner', 'issuer kim'), ('Tom', 'viewer', NULL);
INSERT INTO sessions (token, data, expiry, user_id) VALUES ('t', '', now(), 1);
INSERT INTO user_invitations (token_hash, role, invited_by, expires_at) VALUES ('h', 'viewer', 'Kim', now());
INSERT INTO user_passkeys (id, user_id, name, credential) VALUES ('p', 1, 'phone', '{}');
INSERT INTO user_tokens (user_id, name, token_hash, role, read_only, expires_at) VALUES (1, 'script', 'h', 'viewer', true, now());`

// badConsole returns invalid changes of them.
func badConsole() map[string]string {
	return map[string]string{
		"audit_log_pkey":                `INSERT INTO audit_log (id, actor, origin, via, operation) OVERRIDING SYSTEM VALUE VALUES (1, 'Tom', 'here', 'console', 'pause')`,
		"audit_log_via_check":           `INSERT INTO audit_log (actor, origin, via, operation) VALUES ('Tom', 'here', 'magic', 'pause')`,
		"cast_versions_pkey":            `INSERT INTO cast_versions (id, actor, file, changes) OVERRIDING SYSTEM VALUE VALUES (1, 'Tom', '', '[]')`,
		"idempotency_keys_pkey":         `INSERT INTO idempotency_keys SELECT * FROM idempotency_keys`,
		"login_failures_pkey":           `INSERT INTO login_failures SELECT * FROM login_failures`,
		"sessions_pkey":                 `INSERT INTO sessions SELECT * FROM sessions`,
		"sessions_user_id_fkey":         `UPDATE sessions SET user_id = 9`,
		"user_invitations_pkey":         `INSERT INTO user_invitations SELECT * FROM user_invitations`,
		"user_invitations_role_check":   `UPDATE user_invitations SET role = 'king'`,
		"user_invitations_user_id_fkey": `UPDATE user_invitations SET user_id = 9`,
		"user_passkeys_pkey":            `INSERT INTO user_passkeys SELECT * FROM user_passkeys`,
		"user_passkeys_user_id_fkey":    `UPDATE user_passkeys SET user_id = 9`,
		"user_tokens_pkey":              `INSERT INTO user_tokens (id, user_id, name, token_hash, role, read_only, expires_at) OVERRIDING SYSTEM VALUE VALUES (1, 1, 'other', 'i', 'viewer', true, now())`,
		"user_tokens_role_check":        `UPDATE user_tokens SET role = 'king'`,
		"user_tokens_token_hash_key":    `INSERT INTO user_tokens (user_id, name, token_hash, role, read_only, expires_at) VALUES (1, 'other', 'h', 'viewer', true, now())`,
		"user_tokens_user_id_fkey":      `UPDATE user_tokens SET user_id = 9`,
		"users_name_check":              `UPDATE users SET name = '' WHERE id = 1`,
		"users_oidc_subject_key":        `UPDATE users SET oidc_subject = 'issuer kim'`,
		"users_pkey":                    `INSERT INTO users (id, name, role) OVERRIDING SYSTEM VALUE VALUES (1, 'Ada', 'viewer')`,
		"users_role_check":              `UPDATE users SET role = 'king'`,
	}
}
