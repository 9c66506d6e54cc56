package rosterpg

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

// Tokens seals and opens the tokens of bots. A sealed token is bound to its
// bot's name: in another bot's row it can't be opened. It is safe for
// concurrent use.
type Tokens struct{ Keyring secret.Keyring }

// Seal encrypts a bot's token. The same token is sealed to other bytes each time.
func (t Tokens) Seal(bot string, token secret.String) ([]byte, error) {
	sealed, err := t.Keyring.Seal([]byte(token.Reveal()), additional(bot))
	if err != nil {
		return nil, fmt.Errorf("seal the token of bot %s: %w", bot, err)
	}
	return sealed, nil
}

// Open decrypts a bot's token. Errors wrap those of secret.Keyring.Open and
// never hold the token.
func (t Tokens) Open(bot string, sealed []byte) (secret.String, error) {
	text, err := t.Keyring.Open(sealed, additional(bot))
	if err != nil {
		return secret.String{}, fmt.Errorf("open the token of bot %s: %w", bot, err)
	}
	return secret.New(string(text)), nil
}

func additional(bot string) []byte { return []byte("bots.token_sealed:" + bot) }

// AccountID is the id of the bot that a token is for: the number before its
// colon. The error does not repeat the token.
func AccountID(token secret.String) (int64, error) {
	text := token.Reveal()
	if !regexp.MustCompile(`^[1-9][0-9]{0,17}:[A-Za-z0-9_-]+$`).MatchString(text) {
		return 0, errors.New("is no bot token: want NUMBER:LETTERS, as @BotFather gives it")
	}
	number, _, _ := strings.Cut(text, ":")
	return strconv.ParseInt(number, 10, 64)
}
