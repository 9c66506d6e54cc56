package world

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"
	"strconv"
	"strings"
)

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
