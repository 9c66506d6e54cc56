package world

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Account is a bot or a person.
type Account struct {
	ID       int64  `json:"id"`
	Bot      bool   `json:"bot"`
	Name     string `json:"name"`
	Username string `json:"username,omitempty"`
	// Privacy hides from a bot the messages of people that don't address it.
	Privacy bool `json:"privacy,omitempty"`
	// BotToBot lets a bot see messages of other bots: those that address it,
	// and all of them where it sees everything people write.
	BotToBot bool `json:"bot_to_bot,omitempty"`
}

// NewBot describes a bot to register.
type NewBot struct {
	Username string `json:"username"`
	Name     string `json:"name"`
	// Token is made from the seed and the username where it is empty. A bot that
	// had another one keeps its id.
	Token    string `json:"token,omitempty"`
	Privacy  bool   `json:"privacy,omitempty"`
	BotToBot bool   `json:"bot_to_bot,omitempty"`
}

// account is an Account with what only the world knows of it.
type account struct {
	Account

	TokenHash  string                     `json:"token_hash,omitempty"`
	NextBox    int64                      `json:"next_box,omitempty"`    // its next message id in basic groups
	NextUpdate int64                      `json:"next_update,omitempty"` // its next update id
	Queue      []Update                   `json:"queue,omitempty"`
	Allowed    []string                   `json:"allowed,omitempty"` // empty: Telegram's default
	Webhook    *Webhook                   `json:"webhook,omitempty"`
	Commands   map[string]json.RawMessage `json:"commands,omitempty"`
	Queries    []query                    `json:"asked,omitempty"` // callback queries that wait for an answer

	box  map[int64]place // its message ids in basic groups
	wake chan struct{}   // closed when the queue or the webhook changes
}

// place locates a message: its chat and its number there.
type place struct{ chat, seq int64 }

var (
	usernamePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{2,31}$`)
	tokenPattern    = regexp.MustCompile(`^[1-9][0-9]{0,15}:[A-Za-z0-9_-]{3,128}$`)
)

// RegisterBot adds a bot, or changes the one with this username, and returns it
// with its token. The same username gets the same minted token every time.
func (w *World) RegisterBot(b NewBot) (Account, string, error) {
	b.Username = strings.TrimPrefix(b.Username, "@")
	if !usernamePattern.MatchString(b.Username) {
		return Account{}, "", invalid("username", b.Username, "3 to 32 letters, digits and underscores, a letter first")
	}
	if b.Name == "" {
		b.Name = b.Username
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if b.Token == "" {
		b.Token = w.mintToken(b.Username)
	}
	if !tokenPattern.MatchString(b.Token) {
		return Account{}, "", invalid("token", "(not shown)", "<bot id>:<secret>, the secret of letters, digits, - and _")
	}
	next := &account{
		Account:   Account{ID: tokenID(b.Token), Bot: true, Name: b.Name, Username: b.Username, Privacy: b.Privacy, BotToBot: b.BotToBot},
		TokenHash: hashToken(b.Token),
	}
	if taken, ok := w.state.Accounts[next.ID]; ok && !strings.EqualFold(taken.Username, b.Username) {
		return Account{}, "", invalid("token", fmt.Sprintf("%d:(not shown)", next.ID), "one with a bot id that no other account has: it is that of @"+taken.Username)
	}
	if same := w.byUsername(b.Username); same != nil && same.Bot && same.ID != next.ID {
		return Account{}, "", invalid("token", fmt.Sprintf("%d:(not shown)", next.ID),
			fmt.Sprintf("one with the bot id of @%s, %d", same.Username, same.ID))
	}
	if same := w.byUsername(b.Username); same != nil && same.ID != next.ID {
		return Account{}, "", invalid("username", b.Username, "a username that no other account has")
	}
	if old := w.state.Accounts[next.ID]; old != nil && old.Account == next.Account && old.TokenHash == next.TokenHash {
		return next.Account, b.Token, nil
	}
	next.NextBox = w.firstBox(next.ID)
	next.NextUpdate = int64(w.hash("update", b.Username)%800_000_000) + 100_000_000
	if err := w.commit(nil, event{Account: next}); err != nil {
		return Account{}, "", err
	}
	return next.Account, b.Token, nil
}

// Bots returns the registered bots, by id.
func (w *World) Bots() []Account {
	w.mu.Lock()
	defer w.mu.Unlock()
	var bots []Account
	for _, id := range sortedKeys(w.state.Accounts) {
		if a := w.state.Accounts[id]; a.Bot {
			bots = append(bots, a.Account)
		}
	}
	return bots
}

// BotByToken returns the bot that has the token.
func (w *World) BotByToken(token string) (Account, bool) {
	hash := hashToken(token)
	w.mu.Lock()
	defer w.mu.Unlock()
	if a, ok := w.tokens[hash]; ok {
		return a.Account, true
	}
	return Account{}, false
}

// AccountByID returns any account.
func (w *World) AccountByID(id int64) (Account, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a, ok := w.state.Accounts[id]; ok {
		return a.Account, true
	}
	return Account{}, false
}

// Find returns the account with a username (with or without @) or, for a
// person, a name.
func (w *World) Find(who string) (Account, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.find(who); a != nil {
		return a.Account, true
	}
	return Account{}, false
}

// find looks for a username first and for a person's name then.
func (w *World) find(who string) *account {
	if a := w.byUsername(strings.TrimPrefix(who, "@")); a != nil {
		return a
	}
	if id, ok := w.people[who]; ok {
		return w.state.Accounts[id]
	}
	return nil
}

func (w *World) byUsername(username string) *account {
	return w.usernames[strings.ToLower(username)]
}

// person returns the account with a name. If there is none, it also returns the event that
// makes it.
func (w *World) person(name string) (*account, []event, error) {
	name = strings.TrimSpace(name)
	if name == "" || len(name) > 64 || strings.HasPrefix(name, "@") {
		return nil, nil, invalid("name", name, "a person's name of 1 to 64 bytes that doesn't begin with @")
	}
	if a := w.find(name); a != nil {
		if a.Bot {
			return nil, nil, invalid("name", name, "a person, not a bot")
		}
		return a, nil, nil
	}
	id := int64(w.hash("person", name)%900_000_000) + 100_000_000
	for w.state.Accounts[id] != nil {
		id++
	}
	a := &account{Account: Account{ID: id, Name: name}}
	slug := strings.ToLower(strings.ReplaceAll(name, " ", "_"))
	if usernamePattern.MatchString(slug) && w.byUsername(slug) == nil {
		a.Username = slug
	}
	return a, []event{{Account: a}}, nil
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

const (
	firstBotID   = 5_000_000_000
	supergroupID = -1_000_000_000_000 // ids of supergroups lie below this
)

// digest depends on the seed and the parts only.
func (w *World) digest(parts ...string) []byte {
	mac := hmac.New(sha256.New, []byte(strconv.FormatUint(w.cfg.Seed, 10)))
	mac.Write([]byte(strings.Join(parts, "\x00")))
	return mac.Sum(nil)
}

func (w *World) hash(parts ...string) uint64 {
	return binary.BigEndian.Uint64(w.digest(parts...))
}

// mintToken makes a token in Telegram's form: the id and 35 characters. The id is
// that of the bot with this username, if there is one.
func (w *World) mintToken(username string) string {
	username = strings.ToLower(username)
	id := firstBotID + w.hash("bot", username)%4_000_000_000
	if known := w.byUsername(username); known != nil && known.Bot {
		id = uint64(known.ID) //nolint:gosec // ids of bots are positive
	}
	secret := base64.RawURLEncoding.EncodeToString(w.digest("token", username))
	return strconv.FormatUint(id, 10) + ":AA" + secret[:33]
}

func tokenID(token string) int64 {
	id, _, _ := strings.Cut(token, ":")
	n, _ := strconv.ParseInt(id, 10, 64) // the pattern of tokens allows no other
	return n
}

// mintChat makes an id that no chat has.
func (w *World) mintChat(kind, title string) int64 {
	n := int64(w.hash("chat", kind, title) % 4_000_000_000)
	for {
		id := -1_000_000_000 - n
		if kind == Supergroup {
			id += supergroupID
		}
		if w.state.Chats[id] == nil {
			return id
		}
		n++
	}
}

// firstBox spreads the accounts' first message ids in basic groups, so that
// the same message looks as different to two bots as it does on Telegram.
func (w *World) firstBox(id int64) int64 {
	bots := 0
	for _, a := range w.state.Accounts {
		if a.Bot && a.ID != id {
			bots++
		}
	}
	return int64(bots+1)*10_000 + int64(w.hash("box", strconv.FormatInt(id, 10))%5_000)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
