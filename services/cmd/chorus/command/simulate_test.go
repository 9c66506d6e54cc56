package command_test

import (
	"regexp"
	"strings"
	"testing"
)

func TestSimulate(t *testing.T) {
	t.Parallel()
	play := func(args ...string) string {
		got := chorus(append([]string{"simulate", "-f", "../../../../deploy/examples/role-playing-table.yaml", "--start", "2026-05-06T20:00", "--hours", "2"}, args...)...)
		if got.Code != 0 || got.Err != "" {
			t.Fatalf("%v: %d: %s", args, got.Code, got.Err)
		}
		return got.Out
	}
	table := play()
	if table != play("--seed", "1") || table == play("--seed", "2") {
		t.Error("the seed does not decide what is played")
	}
	if !strings.HasPrefix(table, "TIME ") || !strings.Contains(table, "Wed 20:00:") || !strings.HasSuffix(table, play("-o", "summary")) {
		t.Errorf("the table is %s", table)
	}
	if quicker := play("--set", "scale_factor=10", "--set", "max_msgs_per_min=60"); len(quicker) < 2*len(table) {
		t.Error("a setting changed nothing")
	}
	for _, want := range []string{"A DAY TAKES, ABOUT", "nobody knows", "at most 1440 answers"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in %s", want, table)
		}
	}
	if priced := play("-o", "summary", "--llm.prompt-price", "2", "--llm.completion-price", "8"); !regexp.MustCompile(`cost +[1-9]\d*\.\d\d by llm.prompt_price 2`).MatchString(priced) {
		t.Errorf("no cost in %s", priced)
	}
	if picture := play("-o", "svg"); !strings.HasPrefix(picture, "<svg") || !strings.Contains(picture, "</svg>") {
		t.Errorf("the picture is %s", picture)
	}
}
