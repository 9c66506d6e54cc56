package cast

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
	"github.com/chorus-cast/chorus/services/internal/infra/schema"
	"github.com/chorus-cast/chorus/services/internal/infra/secret"
	"github.com/chorus-cast/chorus/services/internal/roster"
	"github.com/chorus-cast/chorus/services/internal/roster/castfile"
	"github.com/chorus-cast/chorus/services/internal/roster/rosterpg"
)

func (a *Area) pageBots(w http.ResponseWriter, r *http.Request) {
	found, err := a.bots.Call(r.Context(), &listed{After: r.URL.Query().Get("after")})
	a.pages.Show(w, r, err, func() page.View { return view("Cast", botsPage(found.Body.Bots, found.Body.Next, mayEdit(r))) })
}

func (a *Area) pageChats(w http.ResponseWriter, r *http.Request) {
	found, err := a.chats.Call(r.Context(), &listed{After: r.URL.Query().Get("after")})
	a.pages.Show(w, r, err, func() page.View { return view("Cast: chats", chatsPage(found.Body.Chats, found.Body.Next)) })
}

func mayEdit(r *http.Request) bool { return access.From(r.Context()).May(access.Editor, true) == nil }

func view(title string, body templ.Component) page.View {
	return page.View{Title: title, Section: "cast", Body: body}
}

func (a *Area) pageFile(w http.ResponseWriter, r *http.Request) {
	found, err := a.read.Call(r.Context(), &struct{}{})
	a.pages.Show(w, r, err, func() page.View { return view("Cast: file", filePage(found.Body.File, false, "", mayEdit(r))) })
}

func (a *Area) export(w http.ResponseWriter, r *http.Request) {
	found, err := a.read.Call(r.Context(), &struct{}{})
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Content-Disposition", `attachment; filename="cast.yaml"`)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(found.Body.File)) // the client is gone
}

// posted reads a form. Browsers end its lines with CR LF.
func posted(r *http.Request) (url.Values, error) {
	if err := r.ParseForm(); err != nil {
		return nil, operation.Invalid(fmt.Errorf("form: %w", err))
	}
	for _, values := range r.PostForm {
		for i := range values {
			values[i] = strings.ReplaceAll(values[i], "\r\n", "\n")
		}
	}
	return r.PostForm, nil
}

func (a *Area) pagePlan(w http.ResponseWriter, r *http.Request) {
	form, err := posted(r)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	in := &planned{}
	in.Body.File, in.Body.Prune = form.Get("file"), form.Get("prune") == "true"
	if err := a.preview(w, r, in, form.Get("back")); err != nil {
		a.failed(w, r, err, "Cast: file", func(said string) templ.Component { return filePage(in.Body.File, in.Body.Prune, said, mayEdit(r)) })
	}
}

// preview shows what a file changes.
func (a *Area) preview(w http.ResponseWriter, r *http.Request, in *planned, back string) error {
	found, err := a.plan.Call(r.Context(), in)
	if err != nil {
		return err
	}
	a.pages.Render(w, r, view("What changes", planPage(found.Body, in.Body.File, in.Body.Prune, back)))
	return nil
}

// failed shows a form again with what is wrong with it; other failures have a page of
// their own.
func (a *Area) failed(w http.ResponseWriter, r *http.Request, err error, title string, form func(said string) templ.Component) {
	if operation.Status(err) != http.StatusUnprocessableEntity {
		a.pages.Fail(w, r, err)
		return
	}
	a.pages.Render(w, r, page.View{Title: title, Section: "cast", Status: http.StatusUnprocessableEntity, Body: form(err.Error())})
}

func (a *Area) doApply(w http.ResponseWriter, r *http.Request) {
	form, err := posted(r)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	in := &applied{}
	in.Body.File, in.Body.Prune, in.Body.Tag = form.Get("file"), form.Get("prune") == "true", form.Get("tag")
	in.Body.Sealed = map[string]string{}
	for name, values := range form {
		if bot, is := strings.CutPrefix(name, "sealed."); is {
			in.Body.Sealed[bot] = values[0]
		}
	}
	done := ""
	out, err := a.apply.Call(r.Context(), in)
	if err == nil {
		done = "Applied: " + summary(out.Body.Changes)
	}
	a.pages.Done(w, r, form.Get("back"), done, err)
}

// summary tells changes in a line.
func summary(changes []roster.Shown) string {
	const maxNamed = 3
	var parts []string
	for _, c := range changes[:min(len(changes), maxNamed)] {
		parts = append(parts, c.Name+" "+c.Op)
	}
	if n := len(changes) - maxNamed; n > 0 {
		parts = append(parts, fmt.Sprintf("%d more", n))
	}
	if len(parts) == 0 {
		return "nothing had to be changed"
	}
	return strings.Join(parts, ", ")
}

func (a *Area) pageHistory(w http.ResponseWriter, r *http.Request) {
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64) // else the newest
	found, err := a.versions.Call(r.Context(), &versionsAsked{Before: before})
	a.pages.Show(w, r, err, func() page.View { return view("Cast: history", historyPage(found.Body.Versions, found.Body.Next)) })
}

func (a *Area) pageVersion(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64) // there is no version 0
	found, err := a.version.Call(r.Context(), &versionAsked{ID: id})
	a.pages.Show(w, r, err, func() page.View {
		return view(fmt.Sprintf("Cast: version %d", id), versionPage(found.Body, mayEdit(r)))
	})
}

func (a *Area) pageNew(w http.ResponseWriter, r *http.Request) {
	chats, err := a.chats.Call(r.Context(), &listed{Limit: 500})
	a.pages.Show(w, r, err, func() page.View {
		return view("A new persona", newPage(chats.Body.Chats, a.Write != nil, draftAsked{}, ""))
	})
}

func (a *Area) pageDraft(w http.ResponseWriter, r *http.Request) {
	form, err := posted(r)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	in := &draftAsked{}
	in.Body.Name, in.Body.Like, in.Body.Chat = form.Get("name"), form.Get("like"), form.Get("chat")
	out, err := a.draft.Call(r.Context(), in)
	if err != nil {
		chats, _ := a.chats.Call(r.Context(), &listed{Limit: 500})
		if chats == nil {
			chats = &chatsAnswer{}
		}
		a.failed(w, r, err, "A new persona", func(said string) templ.Component { return newPage(chats.Body.Chats, a.Write != nil, *in, said) })
		return
	}
	file, err := parse(out.Body.File)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	i := slices.IndexFunc(file.Cast.Bots, func(b roster.Bot) bool { return b.Name == out.Body.Bot })
	v := botView{Bot: file.Cast.Bots[i], New: true, Emulated: a.Token != nil, Chats: playsIn(file.Cast, out.Body.Bot), Edit: true}
	v.Groups = groups(reflect.ValueOf(v.Bot), schemaOf("bots"), botParts())
	a.pages.Render(w, r, view("A new persona", botPage(v)))
}

// botView is a bot as its page shows it.
type botView struct {
	Bot      roster.Bot
	New      bool
	Emulated bool
	// Edit tells that who looks may change it.
	Edit     bool
	Chats    []string
	Groups   []group
	Memories []BotMemory
	Wrong    string
	// Asked and Answer are a trial of the persona.
	Asked, Answer string
	Talks         bool
}

func playsIn(cast roster.Cast, bot string) []string {
	var in []string
	for _, c := range cast.Chats {
		if slices.Contains(c.Cast, bot) {
			in = append(in, c.Name)
		}
	}
	return in
}

// look reads what the page of a bot shows.
func (a *Area) look(ctx context.Context, name string) (botView, error) {
	cast, err := rosterpg.ReadBot(ctx, a.Pool, rosterpg.Tokens{Keyring: a.Keys}, name)
	if err != nil {
		return botView{}, err
	}
	if len(cast.Bots) == 0 {
		return botView{}, fmt.Errorf("bot %.60q: %w", name, operation.ErrNotFound)
	}
	memories, err := a.memories.Call(ctx, &memoriesAsked{Bot: name})
	if err != nil {
		return botView{}, err
	}
	v := botView{Bot: cast.Bots[0], Memories: memories.Body.Memories, Emulated: a.Token != nil, Talks: a.Say != nil}
	for _, c := range cast.Chats {
		v.Chats = append(v.Chats, c.Name)
	}
	v.Groups = groups(reflect.ValueOf(v.Bot), schemaOf("bots"), botParts())
	return v, nil
}

func (a *Area) pageBot(w http.ResponseWriter, r *http.Request) {
	v, err := a.look(r.Context(), chi.URLParam(r, "name"))
	v.Edit = mayEdit(r)
	a.pages.Show(w, r, err, func() page.View { return view(v.Bot.Persona.DisplayName, botPage(v)) })
}

// planBot shows what the form of a bot changes. It is the plan of the file in which this
// bot is as the form says.
func (a *Area) planBot(w http.ResponseWriter, r *http.Request) {
	name := chi.URLParam(r, "name")
	form, err := posted(r)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	cast, err := a.roster(r.Context())
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	cast = cast.Present()
	v := botView{Emulated: a.Token != nil, Talks: a.Say != nil, Edit: true}
	i := slices.IndexFunc(cast.Bots, func(b roster.Bot) bool { return b.Name == name })
	if v.New = i < 0; v.New {
		v.Bot = schemaOf("bots").New().Interface().(roster.Bot) //nolint:forcetypeassert // New makes what it is asked for
		v.Bot.Name = name
		cast.Bots = append(cast.Bots, v.Bot)
		i = len(cast.Bots) - 1
	}
	in := &planned{}
	if form.Get("remove") == "true" {
		cast.Bots = slices.Delete(slices.Clone(cast.Bots), i, i+1)
		join(&cast, name, nil)
		in.Body.File, in.Body.Prune = string(castfile.Format(cast)), true
		if err := a.preview(w, r, in, "/cast"); err != nil {
			a.pages.Fail(w, r, err)
		}
		return
	}
	bot := &cast.Bots[i]
	wrong := fill(form, reflect.ValueOf(bot).Elem(), schemaOf("bots"), botParts())
	v.Bot, v.Chats = *bot, strings.Fields(form.Get("chats"))
	v.Groups = groups(reflect.ValueOf(*bot), schemaOf("bots"), botParts())
	if wrong == nil {
		in.Body.Tokens, wrong = tokenOf(form, bot)
	}
	if wrong == nil {
		wrong = known(cast, v.Chats)
	}
	if wrong != nil {
		err = operation.Invalid(wrong)
	} else {
		join(&cast, name, v.Chats)
		in.Body.File = string(castfile.Format(cast))
		err = a.preview(w, r, in, "/cast/bots/"+name)
	}
	if err != nil {
		a.failed(w, r, err, name, func(said string) templ.Component {
			v.Wrong = plainly(said, fmt.Sprintf("bots[%d].", i))
			return botPage(v)
		})
	}
}

// plainly leaves out of a message where in a file its field would stand.
func plainly(said, path string) string {
	lines := strings.Split(said, "\n")
	for j, line := range lines {
		if _, after, found := strings.Cut(line, path); found {
			lines[j] = after
		}
	}
	return strings.Join(lines, "\n")
}

// tokenOf reads the bot's token from a form: a reference, or the token itself, which is
// sealed at once.
func tokenOf(form url.Values, bot *roster.Bot) (map[string]string, error) {
	text := strings.TrimSpace(form.Get("token"))
	if text == "" {
		return nil, nil //nolint:nilnil // none was given
	}
	if !strings.HasPrefix(text, "env:") && !strings.HasPrefix(text, "file:") {
		return map[string]string{bot.Name: text}, nil
	}
	ref, err := secret.ParseRef(text)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	bot.Token = ref
	return nil, nil //nolint:nilnil // it is in the file
}

func known(cast roster.Cast, chats []string) error {
	for _, name := range chats {
		if !slices.ContainsFunc(cast.Chats, func(c roster.Chat) bool { return c.Name == name }) {
			return fmt.Errorf("chats: %s, want names of chats of the cast", schema.Quote(name))
		}
	}
	return nil
}

func (a *Area) doRemember(w http.ResponseWriter, r *http.Request) {
	form, err := posted(r)
	name := chi.URLParam(r, "name")
	if err == nil {
		in := &memoryGiven{Bot: name}
		in.Body.Kind, in.Body.Content = form.Get("kind"), form.Get("content")
		in.Body.Relevance, err = strconv.ParseFloat(form.Get("relevance"), 64)
		if err != nil {
			err = &operation.InvalidError{Field: "relevance", Value: schema.Quote(form.Get("relevance")), Want: "a number from 0 to 1"}
		} else {
			_, err = a.remember.Call(r.Context(), in)
		}
	}
	a.pages.Done(w, r, "/cast/bots/"+name+"#memories", "It remembers that now.", err)
}

func (a *Area) doForget(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64) // there is no memory 0
	_, err := a.forget.Call(r.Context(), &memoryNamed{ID: id})
	a.pages.Done(w, r, "/cast/bots/"+chi.URLParam(r, "name")+"#memories", "It is forgotten.", err)
}

func (a *Area) pageSay(w http.ResponseWriter, r *http.Request) {
	form, err := posted(r)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	in := &said{Bot: chi.URLParam(r, "name")}
	in.Body.Text = form.Get("text")
	out, err := a.say.Call(r.Context(), in)
	v, failed := a.look(r.Context(), in.Bot)
	if failed != nil {
		a.pages.Fail(w, r, failed)
		return
	}
	v.Edit, v.Asked = mayEdit(r), in.Body.Text
	switch {
	case err != nil && operation.Status(err) != http.StatusUnprocessableEntity:
		a.pages.Fail(w, r, err)
		return
	case err != nil:
		v.Answer = "(" + err.Error() + ")"
	case out.Body.Text == "":
		v.Answer = "(nothing that it wrote passed the guard)"
	default:
		v.Answer = out.Body.Text
	}
	a.pages.Render(w, r, view(v.Bot.Persona.DisplayName, botPage(v)))
}

func (a *Area) pageChat(w http.ResponseWriter, r *http.Request) {
	name := chi.URLParam(r, "name")
	cast, err := rosterpg.ReadChat(r.Context(), a.Pool, name)
	if err == nil && len(cast.Chats) == 0 {
		err = fmt.Errorf("chat %.60q: %w", name, operation.ErrNotFound)
	}
	a.pages.Show(w, r, err, func() page.View {
		c := cast.Chats[0]
		return view(c.Title, chatPage(c, groups(reflect.ValueOf(c), schemaOf("chats"), chatParts()), mayEdit(r), ""))
	})
}

func (a *Area) chatOf(r *http.Request) (cast roster.Cast, i int, err error) {
	if cast, err = a.roster(r.Context()); err != nil {
		return cast, 0, err
	}
	cast = cast.Present()
	name := chi.URLParam(r, "name")
	if i = slices.IndexFunc(cast.Chats, func(c roster.Chat) bool { return c.Name == name }); i < 0 {
		err = fmt.Errorf("chat %.60q: %w", name, operation.ErrNotFound)
	}
	return cast, i, err
}

func (a *Area) planChat(w http.ResponseWriter, r *http.Request) {
	form, err := posted(r)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	cast, i, err := a.chatOf(r)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	c := &cast.Chats[i]
	if wrong := fill(form, reflect.ValueOf(c).Elem(), schemaOf("chats"), chatParts()); wrong != nil {
		err = operation.Invalid(wrong)
	} else {
		in := &planned{}
		in.Body.File = string(castfile.Format(cast))
		err = a.preview(w, r, in, "/cast/chats/"+c.Name)
	}
	if err != nil {
		a.failed(w, r, err, c.Title, func(said string) templ.Component {
			return chatPage(*c, groups(reflect.ValueOf(*c), schemaOf("chats"), chatParts()), true, plainly(said, fmt.Sprintf("chats[%d].", i)))
		})
	}
}
