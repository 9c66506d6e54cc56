package postgres

import (
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestLogPassesOnWhatMatters(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	l := newServerLog(zap.New(core))
	write := func(text string) {
		t.Helper()
		if n, err := l.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	write("FATAL:  the database system is starting up\n")
	if logs.Len() != 0 {
		t.Errorf("while starting it logs %v", logs.All())
	}
	l.quiet.Store(false)
	write("LOG:  checkpoint\nERROR:  duplicate key\nDETAIL:  quite so\nWARN")
	write("ING:  out of memory\nHINT:  buy some\n")
	var got []string
	for _, entry := range logs.All() {
		got = append(got, entry.Message)
	}
	if want := "WARNING:  out of memory"; strings.Join(got, "|") != want {
		t.Errorf("logged %q, want %q", strings.Join(got, "|"), want)
	}
	if tail := l.tail(); tail != "FATAL:  the database system is starting up" {
		t.Errorf("tail: %s", tail)
	}
}

func TestLogIsBounded(t *testing.T) {
	l := newServerLog(zap.NewNop())
	for range 100 {
		if _, err := l.Write([]byte(strings.Repeat("x", maxLineSize))); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.rest) > maxLineSize || len(l.last) > keepLines {
		t.Errorf("keeps %d bytes and %d lines", len(l.rest), len(l.last))
	}
}
