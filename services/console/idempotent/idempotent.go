// Package idempotent does requests with an Idempotency-Key once: who asks again with the
// same key, because an answer was lost, gets the first answer.
package idempotent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
)

const (
	header = "Idempotency-Key"
	// longest is how long a key may be, in bytes.
	longest = 255
	// kept is how long answers are kept.
	kept = 24 * time.Hour

	// An old key may be used anew.
	begin = `-- console: idempotency begin
INSERT INTO idempotency_keys (actor, key, operation, request_hash) VALUES ($1, $2, $3, $4)
ON CONFLICT (actor, key) DO UPDATE SET operation = excluded.operation, request_hash = excluded.request_hash, status = NULL, answer = NULL, created_at = now()
    WHERE idempotency_keys.created_at < now() - $5::interval`
	end = `-- console: idempotency end
UPDATE idempotency_keys SET status = $3, answer = $4 WHERE actor = $1 AND key = $2`
	drop = `-- console: idempotency drop
DELETE FROM idempotency_keys WHERE actor = $1 AND key = $2`
	find = `-- console: idempotency find
SELECT request_hash, coalesce(status, 0), answer FROM idempotency_keys WHERE actor = $1 AND key = $2`
	tidy = `-- console: idempotency tidy
DELETE FROM idempotency_keys WHERE created_at < now() - $1::interval`
)

// Requests does requests once.
type Requests struct {
	Pool *pgxpool.Pool
	// Secret tells that the answer of a request must not be kept.
	Secret func(*http.Request) bool
	Log    *zap.Logger
}

// Handler wraps what answers requests of who is known.
func (q Requests) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, who := r.Header.Get(header), access.From(r.Context())
		if key == "" || who == nil || r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		if len(key) > longest {
			refuse(w, http.StatusUnprocessableEntity, fmt.Sprintf("%s: it has %d bytes, want at most %d", header, len(key), longest))
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			refuse(w, http.StatusRequestEntityTooLarge, "the request can't be read, or is too long")
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		hash := sha256.Sum256(append([]byte(r.Method+" "+r.URL.RequestURI()+"\n"), body...))
		begun, err := q.Pool.Exec(r.Context(), begin, who.Name, key, r.Method+" "+r.URL.Path, hash[:], kept)
		switch {
		case err != nil:
			operation.Failed(r.Context(), q.Log, "a request's key can't be written down", zap.Error(err))
			refuse(w, http.StatusInternalServerError, "it could not be done; the console's log says why")
		case begun.RowsAffected() == 0:
			q.again(w, r, who.Name, key, hash[:])
		default:
			q.first(w, r, next, who.Name, key)
		}
	})
}

// first does a request to its end, even if whoever asks does not wait for it, and keeps
// its answer. What failed by no mistake of who asks (5xx) may be asked for again with the
// same key. Where the process ends in between, the request may have been done or not, and
// says so when it comes again.
func (q Requests) first(w http.ResponseWriter, r *http.Request, next http.Handler, actor, key string) {
	answer := &recorder{ResponseWriter: w, status: http.StatusOK}
	r = r.WithContext(context.WithoutCancel(r.Context()))
	next.ServeHTTP(answer, r)
	var body json.RawMessage
	if !q.Secret(r) && json.Valid(answer.body.Bytes()) {
		body = answer.body.Bytes()
	}
	ctx, cancel := context.WithTimeout(r.Context(), store.Timeout)
	defer cancel()
	sql, args := end, []any{actor, key, answer.status, body}
	if answer.status >= http.StatusInternalServerError {
		sql, args = drop, args[:2]
	}
	if _, err := q.Pool.Exec(ctx, sql, args...); err != nil {
		q.Log.Error("a request's answer can't be kept: if it comes again, it is not known whether it was done", zap.Error(err))
	}
}

// again answers a request that came before.
func (q Requests) again(w http.ResponseWriter, r *http.Request, actor, key string, hash []byte) {
	var asked []byte
	var status int
	var answer json.RawMessage
	err := q.Pool.QueryRow(r.Context(), find, actor, key).Scan(&asked, &status, &answer)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		refuse(w, http.StatusConflict, header+": its time is just over: ask with another one")
	case err != nil:
		operation.Failed(r.Context(), q.Log, "a request's answer can't be read", zap.Error(err))
		refuse(w, http.StatusInternalServerError, "it could not be done; the console's log says why")
	case !bytes.Equal(asked, hash):
		refuse(w, http.StatusUnprocessableEntity, header+": it was used for another request: take a new one for each")
	case status == 0:
		refuse(w, http.StatusConflict, header+": this request is being done, or ended without an answer: look whether it was done")
	default:
		w.Header().Set("Idempotent-Replayed", "true")
		if answer != nil {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(status)
		_, _ = w.Write(answer) // the client is gone
	}
}

// Tidy forgets answers that are too old.
func (q Requests) Tidy(ctx context.Context) error {
	_, err := q.Pool.Exec(ctx, tidy, kept)
	return err
}

func refuse(w http.ResponseWriter, status int, detail string) {
	operation.Refuse(w, huma.NewError(status, detail))
}

// recorder keeps what is answered.
type recorder struct {
	http.ResponseWriter

	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	n, err := r.ResponseWriter.Write(b)
	if err != nil {
		return n, fmt.Errorf("answer: %w", err)
	}
	return n, nil
}
