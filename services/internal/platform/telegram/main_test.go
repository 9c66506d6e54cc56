package telegram_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/platform/telegram"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	number = "1234567890"
	key    = "AAExampleKeyOfThirtyFiveCharacters_-"
	token  = number + ":" + key
)

// config returns the default settings for an address.
func config(url string) telegram.Config {
	cfg := telegram.DefaultConfig()
	cfg.URL = url
	return cfg
}

func newClient(t *testing.T, cfg telegram.Config) *telegram.Client {
	t.Helper()
	c, err := telegram.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// send sends a message. A hanging call ends after half a minute.
func send(t *testing.T, c *telegram.Client) telegram.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return c.SendMessage(ctx, secret.New(token), telegram.Message{ChatID: -1, Text: "hello"})
}
