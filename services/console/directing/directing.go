// Package directing holds the pages and operations to direct a cast: let a bot speak at once,
// play a scene in a chat, mute and pause, and choose the order of speakers.
package directing

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/audit"
	"github.com/chorus-cast/chorus/services/internal/direct"
	"github.com/chorus-cast/chorus/services/internal/infra/store"
	"github.com/chorus-cast/chorus/services/internal/settings"
	"github.com/chorus-cast/chorus/services/internal/settings/settingspg"
)

// Speaker is one of a chat's cast.
type Speaker struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
	// Obstacle is the reason why the bot can't speak in the chat; empty if it can.
	Obstacle string `json:"obstacle,omitempty"`
}

// NamedPause is one that holds, with the names of what is paused.
type NamedPause struct {
	direct.Pause

	ChatName string `json:"chat,omitempty" doc:"empty for all chats"`
	BotName  string `json:"bot,omitempty" doc:"empty for all bots"`
}

// What names the paused object.
func (p *NamedPause) What() string {
	switch {
	case p.Bot == 0 && p.Chat == 0:
		return "everything"
	case p.Bot == 0:
		return "the chat " + p.ChatName
	case p.Chat == 0:
		return p.BotName + ", in all chats"
	}
	return p.BotName + ", in " + p.ChatName
}

// Direction is the state of a chat's direction.
type Direction struct {
	ID     int64         `json:"id"`
	Name   string        `json:"name"`
	Title  string        `json:"title"`
	Bots   []Speaker     `json:"bots"`
	Pauses []NamedPause  `json:"pauses" doc:"those of the chat and of all chats"`
	Scene  *direct.Scene `json:"scene,omitempty"`
	// Settings holds the settings about directing, by key.
	Settings    map[string]string `json:"settings" doc:"speaker_order, style and approval, as they hold for the chat"`
	SceneTag    string            `json:"scene_etag" doc:"for If-Match, when the scene is changed"`
	SettingsTag string            `json:"settings_etag" doc:"for If-Match, when order, style or approval are"`
}

// Pauses are all that hold.
type Pauses struct {
	Pauses []NamedPause `json:"pauses"`
	Chats  []Directable `json:"chats" doc:"by name, at most 200"`
}

// Directable is a chat that can be directed.
type Directable struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Title string `json:"title"`
}

type (
	// ChatInput says which chat. It is exported because huma reads no other that is embedded.
	ChatInput struct {
		ID int64 `path:"id" doc:"Chorus' number of the chat"`
	}
	speakInput struct {
		ChatInput

		Body struct {
			Bot      int64  `json:"bot_id,omitempty" doc:"who speaks; 0 is left to the planner"`
			Topic    string `json:"topic,omitempty" doc:"what to talk about; either this or a line"`
			Line     string `json:"line,omitempty" doc:"what is said, as it stands"`
			Narrated bool   `json:"narrated,omitempty" doc:"mark the line as told, not said"`
			Request  string `json:"request_id,omitempty" doc:"tells requests apart: made again, one has no further effect"`
		}
	}
	spoken struct {
		Body struct {
			Chat int64 `json:"chat_id"`
			Turn int64 `json:"turn"`
		}
	}
	sceneInput struct {
		operation.Seen
		ChatInput

		Body struct {
			Text    string `json:"text" doc:"what happens, in a sentence of at most 300 characters"`
			Minutes int    `json:"minutes" doc:"how long"`
		}
	}
	pauseInput struct {
		Body struct {
			Chat    int64 `json:"chat_id,omitempty" doc:"0 is all chats"`
			Bot     int64 `json:"bot_id,omitempty" doc:"0 is all bots"`
			Minutes int   `json:"minutes,omitempty" doc:"how long; 0 is until it is resumed"`
		}
	}
	resumeInput struct {
		Body struct {
			Chat int64 `json:"chat_id,omitempty" doc:"0 is all chats"`
			Bot  int64 `json:"bot_id,omitempty" doc:"0 is all bots"`
		}
	}
	sceneEnd struct {
		operation.Seen
		ChatInput
	}
	orderInput struct {
		operation.Seen
		ChatInput

		Body struct {
			Settings map[string]string `json:"settings" doc:"speaker_order, style and approval; what is left out stays, and an empty value takes a chat's own back"`
		}
	}
	directionAnswer struct{ Body Direction }
	pausesAnswer    struct{ Body Pauses }
	none            struct{}
)

// Area is that part of the console.
type Area struct {
	pool     *pgxpool.Pool
	pages    *page.Pages
	director *direct.Director

	show     *operation.Of[ChatInput, directionAnswer]
	list     *operation.Of[none, pausesAnswer]
	speak    *operation.Of[speakInput, spoken]
	scene    *operation.Of[sceneInput, none]
	endScene *operation.Of[sceneEnd, none]
	pause    *operation.Of[pauseInput, none]
	resume   *operation.Of[resumeInput, none]
	order    *operation.Of[orderInput, none]
}

// New adds it to a console.
func New(set *operation.Set, pages *page.Pages, pool *pgxpool.Pool, director *direct.Director) *Area {
	a := &Area{pool: pool, pages: pages, director: director}
	op := func(id, method, path, summary string) operation.Operation {
		o := operation.Operation{ID: id, Method: method, Path: path, Summary: summary, Tag: "direct", Role: access.Director, Changes: true}
		if method == http.MethodGet {
			o.Role, o.Changes = access.Viewer, false
		}
		return o
	}
	a.show = operation.Add(set, op("chat-direction", http.MethodGet, "/chats/{id}/direction", "How a chat is directed: cast, pauses, scene, order, style"), a.read)
	a.list = operation.Add(set, op("pauses", http.MethodGet, "/pauses", "What is paused or muted, by whom, until when"), a.readPauses)
	a.speak = operation.Add(set, op("speak", http.MethodPost, "/chats/{id}/speak", "Let a bot speak at once, on a topic or a line as it stands"), a.doSpeak)
	a.scene = operation.Add(set, op("set-scene", http.MethodPut, "/chats/{id}/scene", "Have something happen in a chat for a while"), a.doScene)
	a.endScene = operation.Add(set, op("end-scene", http.MethodDelete, "/chats/{id}/scene", "End what happens in a chat"), a.doEndScene)
	a.pause = operation.Add(set, op("pause", http.MethodPost, "/pauses", "Mute a bot, or pause a chat or everything"), a.doPause)
	a.resume = operation.Add(set, op("resume", http.MethodPost, "/pauses/end", "End a pause at once"), a.doResume)
	a.order = operation.Add(set, op("set-direction", http.MethodPut, "/chats/{id}/direction",
		"Say who speaks in a chat, how, and which texts wait for a person"), a.doOrder)
	return a
}

const (
	readChat = `-- console: directed chat
SELECT name, title FROM chats WHERE id = $1 AND removed_at IS NULL`
	readBots = `-- console: directed bots
SELECT b.id, b.name, coalesce(p.display_name, b.name),
    CASE WHEN NOT b.enabled THEN 'switched off' ELSE coalesce(m.suspended_why, b.stopped_why, '') END
FROM cast_members m JOIN bots b ON b.id = m.bot_id LEFT JOIN personas p ON p.bot_id = b.id
WHERE m.chat_id = $1 AND b.removed_at IS NULL ORDER BY b.name LIMIT 500`
	readChats = `-- console: directable chats
SELECT id, name, title FROM chats WHERE removed_at IS NULL AND kind <> 'private' ORDER BY name LIMIT 200`
	readNames = `-- console: names of what is paused
SELECT coalesce(c.name, ''), coalesce(b.name, '') FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS p(chat, bot, n)
LEFT JOIN chats c ON c.id = p.chat LEFT JOIN bots b ON b.id = p.bot ORDER BY p.n`
)

// keys are the settings about directing.
func keys() []*settings.Definition {
	return []*settings.Definition{settings.SpeakerOrder.Definition, settings.Style.Definition, settings.Approval.Definition}
}

func (a *Area) read(ctx context.Context, in *ChatInput) (*directionAnswer, error) {
	d := Direction{ID: in.ID, Settings: map[string]string{}}
	err := a.pool.QueryRow(ctx, readChat, in.ID).Scan(&d.Name, &d.Title)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, operation.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if d.Bots, err = store.Collect(ctx, a.pool, "read the cast", pgx.RowToStructByPos[Speaker], readBots, in.ID); err != nil {
		return nil, err
	}
	if d.Pauses, err = a.pauses(ctx, in.ID); err != nil {
		return nil, err
	}
	if d.Scene, err = a.director.Scene(ctx, in.ID); err != nil {
		return nil, err
	}
	values, err := settingspg.Values(ctx, a.pool)
	if err != nil {
		return nil, err
	}
	for _, k := range keys() {
		d.Settings[k.Key], _ = values.Text(k, in.ID, 0)
	}
	d.SceneTag, d.SettingsTag = operation.ETag(d.Scene), operation.ETag(d.Settings)
	return &directionAnswer{d}, nil
}

func (a *Area) pauses(ctx context.Context, chat int64) ([]NamedPause, error) {
	held, err := a.director.Pauses(ctx, chat)
	if err != nil {
		return nil, err
	}
	chats, bots := make([]int64, len(held)), make([]int64, len(held))
	for i, p := range held {
		chats[i], bots[i] = p.Chat, p.Bot
	}
	named := make([]NamedPause, 0, len(held))
	var n NamedPause
	err = store.Each(ctx, a.pool, "read names of what is paused", []any{&n.ChatName, &n.BotName}, func() error {
		n.Pause = held[len(named)]
		named = append(named, n)
		return nil
	}, readNames, chats, bots)
	return named, err
}

func (a *Area) readPauses(ctx context.Context, _ *none) (*pausesAnswer, error) {
	var out pausesAnswer
	var err error
	if out.Body.Pauses, err = a.pauses(ctx, 0); err != nil {
		return nil, err
	}
	out.Body.Chats, err = store.Collect(ctx, a.pool, "read chats", pgx.RowToStructByPos[Directable], readChats)
	return &out, err
}

func (a *Area) doSpeak(ctx context.Context, in *speakInput) (*spoken, error) {
	values, err := settingspg.Values(ctx, a.pool)
	if err != nil {
		return nil, err
	}
	s := direct.Speech{
		Chat: in.ID, Bot: in.Body.Bot, Topic: in.Body.Topic, Line: in.Body.Line, Narrated: in.Body.Narrated, By: access.From(ctx).Name,
		Request: in.Body.Request, Good: settings.TurnTTL.Of(values, in.ID, 0),
	}
	if s.Request == "" {
		s.Request = rand.Text()
	}
	id, err := a.director.Speak(ctx, s)
	if err != nil {
		return nil, told(err)
	}
	out := &spoken{}
	out.Body.Chat, out.Body.Turn = id.GetChatId(), id.GetNumber()
	audit.Note(ctx, object(in.ID, in.Body.Bot), nil, out.Body)
	return out, nil
}

func (a *Area) doScene(ctx context.Context, in *sceneInput) (*none, error) {
	var before *direct.Scene
	err := a.director.SetScene(ctx, in.ID, in.Body.Text, access.From(ctx).Name, minutes(in.Body.Minutes), checkScene(in.Seen, &before))
	audit.Note(ctx, object(in.ID, 0), before, in.Body)
	return &none{}, told(err)
}

func (a *Area) doEndScene(ctx context.Context, in *sceneEnd) (*none, error) {
	var before *direct.Scene
	err := a.director.EndScene(ctx, in.ID, checkScene(in.Seen, &before))
	audit.Note(ctx, object(in.ID, 0), before, nil)
	return &none{}, told(err)
}

// checkScene returns a check that fails if the current scene isn't the one that was seen. It
// stores the current scene in is.
func checkScene(seen operation.Seen, is **direct.Scene) func(*direct.Scene) error {
	return func(s *direct.Scene) error {
		*is = s
		now := "none"
		if s != nil {
			now = fmt.Sprintf("%q, by %s", s.Text, s.By)
		}
		return seen.Check("the scene", s, now)
	}
}

func (a *Area) doPause(ctx context.Context, in *pauseInput) (*none, error) {
	audit.Note(ctx, object(in.Body.Chat, in.Body.Bot), nil, in.Body)
	return &none{}, told(a.director.Pause(ctx, in.Body.Chat, in.Body.Bot, access.From(ctx).Name, minutes(in.Body.Minutes)))
}

func (a *Area) doResume(ctx context.Context, in *resumeInput) (*none, error) {
	audit.Note(ctx, object(in.Body.Chat, in.Body.Bot), nil, nil)
	return &none{}, told(a.director.Resume(ctx, in.Body.Chat, in.Body.Bot))
}

func (a *Area) doOrder(ctx context.Context, in *orderInput) (*none, error) {
	if _, err := a.read(ctx, &in.ChatInput); err != nil {
		return nil, err
	}
	for key := range in.Body.Settings {
		if !slices.ContainsFunc(keys(), func(d *settings.Definition) bool { return d.Key == key }) {
			return nil, &operation.InvalidError{Field: "settings", Value: fmt.Sprintf("%.64q", key), Want: "settings about directing"}
		}
	}
	before := map[string]string{}
	err := store.InTx(ctx, a.pool, func(tx pgx.Tx) error {
		values, err := settingspg.LoadToChange(ctx, tx)
		if err != nil {
			return err
		}
		var now []string
		for _, k := range keys() {
			before[k.Key], _ = values.Text(k, in.ID, 0)
			now = append(now, k.Key+" "+before[k.Key])
		}
		if err := in.Check("how the chat is directed", before, strings.Join(now, ", ")); err != nil {
			return err
		}
		for _, d := range keys() {
			text, given := in.Body.Settings[d.Key]
			switch {
			case !given:
				continue
			case text == "":
				if _, err := settingspg.UnsetIn(ctx, tx, d.Key, settings.Chat, in.ID); err != nil {
					return err
				}
				continue
			}
			value, err := d.ParseText(text)
			if err != nil {
				return operation.Invalid(err)
			}
			if err := settingspg.SetIn(ctx, tx, d.Key, settings.Chat, in.ID, value); err != nil {
				return err
			}
		}
		return nil
	})
	audit.Note(ctx, object(in.ID, 0), before, in.Body.Settings)
	return &none{}, err
}

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }

// object names the object of an operation for the audit log.
func object(chat, bot int64) string {
	switch {
	case chat == 0 && bot == 0:
		return "everything"
	case bot == 0:
		return fmt.Sprintf("chat %d", chat)
	case chat == 0:
		return fmt.Sprintf("bot %d", bot)
	}
	return fmt.Sprintf("chat %d, bot %d", chat, bot)
}

// told is a director's error as the console tells it.
func told(err error) error {
	var refused direct.RefusedError
	var wrong *direct.WrongError
	switch {
	case errors.Is(err, direct.ErrNone):
		return fmt.Errorf("%w: %w", operation.ErrNotFound, err)
	case errors.As(err, &refused):
		return &conflictError{refused}
	case errors.As(err, &wrong):
		return operation.Invalid(err)
	}
	return err
}

// conflictError is a conflict with how things stand, and says with what.
type conflictError struct{ direct.RefusedError }

// Unwrap makes errors.Is match ErrConflict.
func (*conflictError) Unwrap() error { return operation.ErrConflict }

// Routes adds its pages.
func (a *Area) Routes(r chi.Router) {
	r.Get("/direct", a.index)
	r.Post("/direct/pause", a.formPause)
	r.Post("/direct/resume", a.formResume)
	r.Route("/chats/{id}/direct", func(r chi.Router) {
		r.Get("/", a.one)
		r.Post("/speak", a.formSpeak)
		r.Post("/scene", a.formScene)
		r.Post("/scene/end", a.formEndScene)
		r.Post("/settings", a.formOrder)
	})
}
