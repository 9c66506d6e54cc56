package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/chorus-cast/chorus/services/internal/infra/secret"
)

const token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"

type hidden struct{ s secret.String }

func TestStringIsNeverShown(t *testing.T) {
	s := secret.New(token)
	shown := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		shown["value "+verb] = fmt.Sprintf(verb, s)
		shown["pointer "+verb] = fmt.Sprintf(verb, &s)
		shown["in a slice "+verb] = fmt.Sprintf(verb, []secret.String{s})
		shown["in an unexported field "+verb] = fmt.Sprintf(verb, hidden{s})
		shown["behind a pointer "+verb] = fmt.Sprintf(verb, &hidden{s})
		shown["in a map "+verb] = fmt.Sprintf(verb, map[string]any{"a": s})
	}
	shown["json"] = string(must(json.Marshal(struct{ S secret.String }{s})))
	shown["json key"] = string(must(json.Marshal(map[secret.String]int{s: 1})))
	shown["yaml"] = string(must(yaml.Marshal(struct{ S secret.String }{s})))
	shown["error"] = fmt.Errorf("dial %v: %w", s, fmt.Errorf("inner %s", s)).Error()
	shown["zap json"] = logged(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), s)
	shown["zap console"] = logged(zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()), s)
	var buf bytes.Buffer
	slog.New(slog.NewJSONHandler(&buf, nil)).Info("m", "s", s, "h", hidden{s})
	shown["slog"] = buf.String()

	for how, text := range shown {
		if strings.Contains(text, token) || strings.Contains(text, "AAHdq") || strings.Contains(text, fmt.Sprintf("%x", token)[:12]) {
			t.Errorf("%s shows the secret: %s", how, text)
		}
	}
	for _, how := range []string{"value %v", "value %#v", "json", "yaml", "zap json", "zap console", "slog"} {
		if !strings.Contains(shown[how], "***") {
			t.Errorf("%s shows no mask: %s", how, shown[how])
		}
	}
	if s.Reveal() != token {
		t.Errorf("Reveal gives %q", s.Reveal())
	}
}

func logged(enc zapcore.Encoder, s secret.String) string {
	var buf bytes.Buffer
	log := zap.New(zapcore.NewCore(enc, zapcore.AddSync(&buf), zap.DebugLevel))
	log.Info("m", zap.Any("any", s), zap.Stringer("stringer", s), zap.Reflect("reflect", s), zap.Any("hidden", hidden{s}))
	return buf.String()
}

func TestStringEmptyAndEqual(t *testing.T) {
	var zero secret.String
	if !zero.Empty() || zero.String() != "" || zero.Reveal() != "" {
		t.Errorf("the zero String is %q", zero.Reveal())
	}
	if !secret.New("").Equal(zero) || !secret.New("a").Equal(secret.New("a")) || secret.New("a").Equal(secret.New("b")) {
		t.Error("Equal compares something other than the texts")
	}
	if diff := cmp.Diff(secret.New("a"), secret.New("a")); diff != "" {
		t.Error(diff)
	}
	var read struct{ S secret.String }
	if err := json.Unmarshal([]byte(`{"S":"a"}`), &read); err != nil || read.S.Reveal() != "a" {
		t.Errorf("read from JSON: %q, %v", read.S.Reveal(), err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
