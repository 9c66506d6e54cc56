package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
)

type settingsAsked struct {
	Chat string `query:"chat" doc:"as they are for this chat, by its name"`
	Bot  string `query:"bot" doc:"as they are for this bot, by its name"`
}

// shownSetting is a setting with the value that holds.
type shownSetting struct {
	Key     string   `json:"key"`
	Group   string   `json:"group" doc:"what it is about"`
	Value   string   `json:"value"`
	From    string   `json:"from" doc:"default, global, chat or bot"`
	Default string   `json:"default"`
	Range   string   `json:"range"`
	Words   []string `json:"words,omitempty" doc:"the values that are allowed, where they are few"`
	Doc     string   `json:"doc"`
	// Here tells that it can be set for what was asked for.
	Here bool   `json:"here"`
	ETag string `json:"etag" doc:"for If-Match, when it is set for what was asked for"`
}

type settingsAnswer struct {
	Body struct {
		Settings []shownSetting `json:"settings"`
	}
}

type settingGiven struct {
	operation.Seen

	Key  string `path:"key"`
	Body struct {
		Value string `json:"value" doc:"as chorus settings set takes it"`
		Chat  string `json:"chat,omitempty" doc:"for this chat alone"`
		Bot   string `json:"bot,omitempty" doc:"for this bot alone"`
	}
}

type settingTaken struct {
	operation.Seen

	Key  string `path:"key"`
	Chat string `query:"chat" doc:"of this chat"`
	Bot  string `query:"bot" doc:"of this bot"`
}

const (
	chatNamed = `-- console: chat of a setting
SELECT id FROM chats WHERE name = $1 AND removed_at IS NULL`
	botNamed = `-- console: bot of a setting
SELECT id FROM bots WHERE name = $1 AND removed_at IS NULL`
	chatNames = `-- console: names of chats
SELECT name FROM chats WHERE removed_at IS NULL ORDER BY name LIMIT 500`
)

// scope finds for what a setting is read or changed.
func (a *Area) scope(ctx context.Context, chat, bot string) (settings.Scope, int64, error) {
	var scope settings.Scope
	var name, sql string
	switch {
	case chat != "" && bot != "":
		return "", 0, &operation.InvalidError{Field: "chat", Value: "given with bot", Want: "one of them"}
	case chat != "":
		scope, name, sql = settings.Chat, chat, chatNamed
	case bot != "":
		scope, name, sql = settings.Bot, bot, botNamed
	default:
		return settings.Global, 0, nil
	}
	var id int64
	err := a.Pool.QueryRow(ctx, sql, name).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", 0, fmt.Errorf("%s %.60q: %w", scope, name, operation.ErrNotFound)
	}
	return scope, id, err
}

func (a *Area) listSettings(ctx context.Context, in *settingsAsked) (*settingsAnswer, error) {
	scope, id, err := a.scope(ctx, in.Chat, in.Bot)
	if err != nil {
		return nil, err
	}
	values, err := settingspg.Values(ctx, a.Pool)
	if err != nil {
		return nil, err
	}
	ids := map[settings.Scope]int64{scope: id}
	out := &settingsAnswer{}
	for _, g := range settings.Groups() {
		for _, d := range g.Settings {
			value, from := values.Text(d, ids[settings.Chat], ids[settings.Bot])
			out.Body.Settings = append(out.Body.Settings, shownSetting{
				Key: d.Key, Group: g.Name, Value: value, From: cmp.Or(string(from), "default"), Default: d.Default, Range: d.Range, Words: d.Words(), Doc: d.Description,
				Here: d.Allows(scope) == nil, ETag: operation.ETag([2]string{value, string(from)}),
			})
		}
	}
	return out, nil
}

// grouped are settings by what they are about, in their order.
func grouped(all []shownSetting) (groups [][]shownSetting) {
	for i, s := range all {
		if i == 0 || s.Group != all[i-1].Group {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], s)
	}
	return groups
}

// anchor returns the HTML id of a group on the page; settings use their keys.
func anchor(group string) string {
	return "about-" + strings.ReplaceAll(strings.ToLower(group), " ", "-")
}

func (a *Area) setSetting(ctx context.Context, in *settingGiven) (*struct{}, error) {
	return a.change(ctx, in.Seen, in.Key, in.Body.Chat, in.Body.Bot, func(tx pgx.Tx, d *settings.Definition, scope settings.Scope, id int64) (any, error) {
		value, err := d.ParseText(in.Body.Value)
		if err != nil {
			return nil, operation.Invalid(err)
		}
		return value, settingspg.SetIn(ctx, tx, d.Key, scope, id, value)
	})
}

func (a *Area) unsetSetting(ctx context.Context, in *settingTaken) (*struct{}, error) {
	return a.change(ctx, in.Seen, in.Key, in.Chat, in.Bot, func(tx pgx.Tx, d *settings.Definition, scope settings.Scope, id int64) (any, error) {
		_, err := settingspg.UnsetIn(ctx, tx, d.Key, scope, id)
		return nil, err
	})
}

// change changes a setting, and tells the audit log what it was and is.
func (a *Area) change(ctx context.Context, seen operation.Seen, key, chat, bot string,
	do func(tx pgx.Tx, d *settings.Definition, scope settings.Scope, id int64) (after any, err error),
) (*struct{}, error) {
	d, err := settings.Find(key)
	if err != nil {
		return nil, operation.Invalid(err)
	}
	scope, id, err := a.scope(ctx, chat, bot)
	if err != nil {
		return nil, err
	}
	if err := d.Allows(scope); err != nil {
		return nil, operation.Invalid(err)
	}
	var before, after any
	err = store.InTx(ctx, a.Pool, func(tx pgx.Tx) error {
		values, err := settingspg.LoadToChange(ctx, tx)
		if err != nil {
			return err
		}
		ids := map[settings.Scope]int64{scope: id}
		text, from := values.Text(d, ids[settings.Chat], ids[settings.Bot])
		if from == scope {
			before = text
		}
		if err := seen.Check(strings.TrimSpace(key+" "+chat+bot), [2]string{text, string(from)}, text+" ("+cmp.Or(string(from), "default")+")"); err != nil {
			return err
		}
		after, err = do(tx, d, scope, id)
		return err
	})
	audit.Note(ctx, strings.TrimSpace("setting "+key+" "+chat+bot), before, after)
	return &struct{}{}, err
}

func (a *Area) pageSettings(w http.ResponseWriter, r *http.Request) {
	in := &settingsAsked{Chat: r.URL.Query().Get("chat"), Bot: r.URL.Query().Get("bot")}
	found, err := a.settings.Call(r.Context(), in)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	chats, err := store.Collect(r.Context(), a.Pool, "read names", pgx.RowTo[string], chatNames)
	a.pages.Show(w, r, err, func() page.View {
		return view("Settings", settingsPage(found.Body.Settings, *in, chats, access.From(r.Context()).May(access.Director, true) == nil))
	})
}

func (a *Area) doSet(w http.ResponseWriter, r *http.Request) {
	key, chat, bot := r.PostFormValue("key"), r.PostFormValue("chat"), r.PostFormValue("bot")
	seen := operation.Seen{Match: r.PostFormValue("match")}
	var err error
	done := key + " is set."
	if r.PostFormValue("unset") == "true" {
		done = key + " is taken back."
		_, err = a.unset.Call(r.Context(), &settingTaken{Seen: seen, Key: key, Chat: chat, Bot: bot})
	} else {
		in := &settingGiven{Seen: seen, Key: key}
		in.Body.Value, in.Body.Chat, in.Body.Bot = strings.TrimSpace(r.PostFormValue("value")), chat, bot
		_, err = a.set.Call(r.Context(), in)
	}
	back := url.URL{Path: "/operate/settings", RawQuery: url.Values{"chat": {chat}, "bot": {bot}}.Encode(), Fragment: key}
	a.pages.Done(w, r, cmp.Or(r.PostFormValue("back"), back.String()), done, err)
}
