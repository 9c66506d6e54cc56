package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/chorus-cast/chorus/services/internal/preflight"
	"github.com/chorus-cast/chorus/services/lab/emulator/control"
)

// findings returns what chorus check finds, by check and subject.
func (d *deployment) findings() (found map[string]preflight.Finding, ok bool) {
	d.t.Helper()
	out, err := d.try("check", "--json")
	var report struct {
		OK       bool
		Findings []preflight.Finding
	}
	if json.Unmarshal([]byte(out), &report) != nil {
		d.t.Fatalf("chorus check: %v\n%s", err, out)
	}
	if report.OK != (err == nil) {
		d.t.Errorf("it says ok: %t, and ends with %v", report.OK, err)
	}
	found = map[string]preflight.Finding{}
	for _, f := range report.Findings {
		key := f.Check + " " + f.Subject
		// Only the worst finding of each subject is kept.
		if old, twice := found[key]; !twice || f.Status == preflight.Failure || old.Status == preflight.OK {
			found[key] = f
		}
		if (f.Status == preflight.OK) != (f.Remedy == "") {
			d.t.Errorf("%s is %s, and the remedy is %q", key, f.Status, f.Remedy)
		}
	}
	return found, report.OK
}

func TestCheck(t *testing.T) {
	t.Parallel()
	d := deploy(t, troupe{bots: 4, supergroups: 1, groups: 1, perChat: 3, gap: 3600e9}.file(t))

	// One NATS server and a basic group are warnings, not failures.
	found, ok := d.findings()
	if !ok {
		t.Error("a new deployment fails")
	}
	for key, want := range map[string]preflight.Status{
		"configuration ": preflight.OK, "database server": preflight.OK, "database schema": preflight.OK,
		"bus server": preflight.OK, "bus streams": preflight.OK, "bus replicas": preflight.Warning,
		"redis ": preflight.OK, "llm offline": preflight.OK, "bot bot00": preflight.OK,
		"chat chat00": preflight.OK, "chat chat01": preflight.Warning, "member bot00 in chat00": preflight.OK,
	} {
		if f := found[key]; f.Status != want {
			t.Errorf("%q is %q (%s), want %q", key, f.Status, f.Found, want)
		}
	}

	chats, err := d.telegram.Chats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chats {
		if c.Title != "Chat 0" {
			continue
		}
		if err := d.telegram.Kick(t.Context(), c.ID, "bot00_of_tests_bot"); err != nil {
			t.Fatal(err)
		}
		if _, err := d.telegram.SetRole(t.Context(), c.ID, control.NewRole{Who: "bot01_of_tests_bot", Role: "restricted"}); err != nil {
			t.Fatal(err)
		}
	}
	d.bus.Stop()
	found, ok = d.findings()
	if ok {
		t.Error("much is wrong, and nothing fails")
	}
	for key, want := range map[string]string{
		"bus ":                   "no server answers",
		"member bot00 in chat00": "is not in the group",
		"member bot01 in chat00": "may not send messages",
	} {
		if f := found[key]; f.Status != preflight.Failure || !strings.Contains(f.Found, want) {
			t.Errorf("%q is %q (%s), want a failure: %s", key, f.Status, f.Found, want)
		}
	}
	table, err := d.try("check")
	if err == nil || !strings.Contains(table, "FAIL  member") || !strings.Contains(table, "→ add the bot to the group") {
		t.Errorf("the table is\n%s", table)
	}
	t.Log(table)
}
