package casting_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/casting"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
	"github.com/chorus-cast/chorus/services/lab/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const two = `bots:
  - name: anna
    token: file:anna.token
    persona: {display_name: Anna, summary: Reads.}
  - name: bert
    token: file:bert.token
    persona: {display_name: Bert, summary: Writes.}
chats:
  - name: club
    telegram_id: -1001234567890
    cast: [anna, bert]
`

// stage is a database, a key, and a folder with a cast file and its tokens.
type stage struct {
	t       *testing.T
	pool    *pgxpool.Pool
	keyring secret.Keyring
	dir     string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return (&stage{pool: pool}).again(t)
}

// again returns a stage with the same database and another folder and key.
func (s *stage) again(t *testing.T) *stage {
	t.Helper()
	next := &stage{t: t, pool: s.pool, dir: t.TempDir()}
	var err error
	if next.keyring, err = secret.LoadOrCreateKeyFile(filepath.Join(next.dir, "key")); err != nil {
		t.Fatal(err)
	}
	next.write("anna.token", "111111:anna-secret\n")
	next.write("bert.token", "222222:bert-secret\n")
	return next
}

func (s *stage) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *stage) apply(text string, opts casting.Options) (string, error) {
	s.t.Helper()
	var out bytes.Buffer
	err := casting.Apply(s.t.Context(), s.pool, s.keyring, s.write("cast.yaml", text), opts, &out)
	if strings.Contains(out.String()+fmt.Sprint(err), "-secret") {
		s.t.Errorf("a token is shown in %s or in %v", out.String(), err)
	}
	return out.String(), err
}

// bots counts the bots that aren't pruned.
func (s *stage) bots() int {
	s.t.Helper()
	cast, err := rosterpg.Read(s.t.Context(), s.pool, rosterpg.Tokens{Keyring: s.keyring})
	if err != nil {
		s.t.Fatal(err)
	}
	return len(cast.Present().Bots)
}

func TestApplyAndExport(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	out, err := s.apply(two, casting.Options{DryRun: true})
	if err != nil || !strings.Contains(out, "3 to create") || s.bots() != 0 {
		t.Fatalf("the dry run left %d bots and said %s, %v", s.bots(), out, err)
	}
	const hint = "chorus check tells what Telegram thinks of the tokens\n"
	if strings.Contains(out, hint) {
		t.Errorf("a dry run leads to a check: %s", out)
	}
	if out, err = s.apply(two, casting.Options{}); err != nil || s.bots() != 2 || !strings.HasSuffix(out, hint) {
		t.Fatalf("%d bots, %v: %s", s.bots(), err, out)
	}
	if out, err := s.apply(two, casting.Options{Prune: true}); err != nil || out != "nothing to change\n" {
		t.Errorf("applied again: %s, %v", out, err)
	}
	var exported bytes.Buffer
	if err := casting.Export(t.Context(), s.pool, s.keyring, &exported); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(exported.String(), "token: env:CHORUS_TOKEN_ANNA") || strings.Contains(exported.String(), "-secret") {
		t.Errorf("exported\n%s", exported.String())
	}
	fromEnvironment := func(_ context.Context, b roster.Bot) (secret.String, error) {
		return secret.Resolver{LookupEnv: func(name string) (string, bool) {
			return map[string]string{"CHORUS_TOKEN_ANNA": "111111:anna-secret", "CHORUS_TOKEN_BERT": "222222:bert-secret"}[name], true
		}}.Resolve(b.Token)
	}
	out, err = s.apply(exported.String(), casting.Options{Prune: true, Token: fromEnvironment})
	if err != nil || out != "nothing to change\n" {
		t.Errorf("the export applied: %s, %v", out, err)
	}
}

// An apply retries everything that Telegram refused, even if it changes nothing: its author may
// have fixed the cause.
func TestApplyTriesWhatIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	if _, err := s.apply(two, casting.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`UPDATE bots SET stopped_at = now(), stopped_why = 'Unauthorized', next_try_at = now() + interval '6 hours' WHERE name = 'anna'`,
		`UPDATE cast_members SET suspended_at = now(), suspended_why = 'chat not found', next_try_at = now() + interval '6 hours'`,
	} {
		if _, err := s.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	due := func() (n int) {
		t.Helper()
		err := s.pool.QueryRow(t.Context(), `
SELECT (SELECT count(*) FROM bots WHERE next_try_at <= now()) + (SELECT count(*) FROM cast_members WHERE next_try_at <= now())`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if _, err := s.apply(two, casting.Options{DryRun: true}); err != nil || due() != 0 {
		t.Errorf("a dry run tries %d (%v)", due(), err)
	}
	out, err := s.apply(two, casting.Options{})
	if err != nil || due() != 3 {
		t.Errorf("%d are tried, want 3 (%v)", due(), err)
	}
	for _, want := range []string{"anna is stopped, because Telegram refuses its token", "bert in club is suspended", "chat not found: it is tried again now"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestPruneAsks(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	if _, err := s.apply(two, casting.Options{}); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(two, "  - name: bert")
	_, chats, _ := strings.Cut(two, "chats:")
	one := strings.Replace(head+"chats:"+chats, ", bert]", "]", 1)
	if _, err := s.apply(one, casting.Options{Prune: true}); err == nil || !strings.Contains(err.Error(), "--yes") || s.bots() != 2 {
		t.Errorf("with nobody to ask: %v", err)
	}
	var asked string
	answer := func(yes bool) casting.Options {
		return casting.Options{Prune: true, Confirm: func(_ context.Context, question string) (bool, error) {
			asked = question
			return yes, nil
		}}
	}
	if _, err := s.apply(one, answer(false)); !errors.Is(err, casting.ErrDeclined) || s.bots() != 2 {
		t.Errorf("declined: %v", err)
	}
	if asked != "Remove 1 bots and chats and 0 memories?" {
		t.Errorf("asked %q", asked)
	}
	if _, err := s.apply(one, answer(true)); err != nil || s.bots() != 1 {
		t.Errorf("agreed: %v", err)
	}
	if _, err := s.apply(two, casting.Options{Prune: true}); err != nil || s.bots() != 2 {
		t.Errorf("nothing is removed, and still: %v", err)
	}
	if _, err := s.apply(one, casting.Options{Prune: true, Yes: true}); err != nil || s.bots() != 1 {
		t.Errorf("with yes: %v", err)
	}
}

func TestAPlanIsNotCarriedOutOnAnotherRoster(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	other := strings.Replace(two, "summary: Reads.", "summary: Sings.", 1)
	if _, err := s.apply(two, casting.Options{}); err != nil {
		t.Fatal(err)
	}
	less := "bots:\n" + two[strings.Index(two, "  - name: bert"):strings.Index(two, "chats:")]
	_, err := s.apply(less, casting.Options{Prune: true, Confirm: func(context.Context, string) (bool, error) {
		if err := os.WriteFile(filepath.Join(s.dir, "other.yaml"), []byte(other+"  - name: late\n    telegram_id: -7\n"), 0o600); err != nil {
			return false, err
		}
		return true, casting.Apply(t.Context(), s.pool, s.keyring, filepath.Join(s.dir, "other.yaml"), casting.Options{}, &bytes.Buffer{})
	}})
	if !errors.Is(err, rosterpg.ErrChanged) || s.bots() != 2 {
		t.Errorf("got %v", err)
	}
}

func TestMistakesComeWithTheirPlace(t *testing.T) {
	t.Parallel()
	empty := newStage(t)
	for name, c := range map[string]struct {
		edit [2]string
		opts casting.Options
		want []string
	}{
		"in the file":   {[2]string{"cast: [anna, bert]", "cast: [anna, carl]"}, casting.Options{}, []string{`cast.yaml:11:18: chats[0].cast[1]: "carl", want`}},
		"no token":      {[2]string{"file:anna.token", "file:none.token"}, casting.Options{}, []string{`cast.yaml:3:12: bots[0].token: file:none.token: open `}},
		"no variable":   {[2]string{"file:anna.token", "env:CHORUS_TEST_NO_SUCH_TOKEN"}, casting.Options{}, []string{`bots[0].token: env:CHORUS_TEST_NO_SUCH_TOKEN: the environment variable CHORUS_TEST_NO_SUCH_TOKEN is not set`}},
		"the same bot":  {[2]string{"file:bert.token", "file:anna.token"}, casting.Options{}, []string{`cast.yaml:6:12: bots[1].token: file:anna.token: is a token of the same Telegram bot as that of anna`}},
		"no chat's id":  {[2]string{"    telegram_id: -1001234567890\n", ""}, casting.Options{}, []string{`cast.yaml:9:5: chats[0].telegram_id: missing: want the group's id, such as -1001234567890`}},
		"the key file":  {[2]string{"file:anna.token", "file:key"}, casting.Options{}, []string{`bots[0].token: file:key: is no bot token: want NUMBER:LETTERS`}},
		"no emulator's": {[2]string{"    telegram_id: -1001234567890\n", ""}, casting.Options{Chat: func(context.Context, roster.Chat, []roster.Bot) (int64, error) { return 0, errors.New("it is full") }}, []string{`no group could be made for club: it is full`}},
	} {
		t.Run(name, func(t *testing.T) {
			s := empty.again(t)
			_, err := s.apply(strings.Replace(two, c.edit[0], c.edit[1], 1), c.opts)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %s", err, want)
				}
			}
			if s.bots() != 0 {
				t.Error("something was applied")
			}
		})
	}
}

// The emulator supplies what the file leaves open, the same at each apply.
func TestAnEmulatorSuppliesTheRest(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	opts := casting.Options{
		Prune: true,
		Token: func(_ context.Context, b roster.Bot) (secret.String, error) {
			return secret.New(fmt.Sprintf("%d:%s-secret", 1+crc32.ChecksumIEEE([]byte(b.Username)), b.Name)), nil
		},
		Chat: func(_ context.Context, c roster.Chat, cast []roster.Bot) (int64, error) {
			if len(cast) != len(c.Cast) || cast[0].Secret.Empty() {
				return 0, fmt.Errorf("the cast is %v", cast)
			}
			if c.Kind == roster.Group {
				return -1_000_001, nil
			}
			return -1_000_000_000_001 - int64(len(c.Title)), nil
		},
	}
	for _, example := range []string{"book-club", "role-playing-table", "market-talk"} {
		path := filepath.Join("../../../../deploy/examples", example+".yaml")
		opts.Yes = true
		var out bytes.Buffer
		if err := casting.Apply(t.Context(), s.pool, s.keyring, path, opts, &out); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		if err := casting.Apply(t.Context(), s.pool, s.keyring, path, opts, &out); err != nil || out.String() != "nothing to change\n" {
			t.Errorf("%s applied again: %s, %v", example, out.String(), err)
		}
	}
}
