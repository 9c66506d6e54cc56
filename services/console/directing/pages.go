package directing

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/chorus-cast/chorus/services/console/access"
	"github.com/chorus-cast/chorus/services/console/operation"
	"github.com/chorus-cast/chorus/services/console/page"
)

func (a *Area) index(w http.ResponseWriter, r *http.Request) {
	found, err := a.list.Call(r.Context(), &none{})
	a.pages.Show(w, r, err, func() page.View {
		return page.View{Title: "Direct", Section: "direct", Body: all(found.Body, may(r))}
	})
}

func (a *Area) one(w http.ResponseWriter, r *http.Request) {
	in, err := chatOf(r)
	if err != nil {
		a.pages.Fail(w, r, err)
		return
	}
	found, err := a.show.Call(r.Context(), &in)
	a.pages.Show(w, r, err, func() page.View {
		return page.View{Title: "Direct " + found.Body.Title, Section: "direct", Body: chat(found.Body, may(r), rand.Text())}
	})
}

// may reports whether the caller may direct.
func may(r *http.Request) bool { return access.From(r.Context()).May(access.Director, true) == nil }

func chatOf(r *http.Request) (in ChatInput, err error) {
	in.ID, err = number("id", chi.URLParam(r, "id"))
	return in, err
}

// number reads one from a form; an empty one is 0.
func number(field, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, &operation.InvalidError{Field: field, Value: fmt.Sprintf("%.40q", text), Want: "a number"}
	}
	return n, nil
}

// numbers reads several; what is wrong is told of the first.
func numbers(r *http.Request, into map[string]*int64) error {
	for field, n := range into {
		var err error
		if *n, err = number(field, r.PostFormValue(field)); err != nil {
			return err
		}
	}
	return nil
}

func (a *Area) formSpeak(w http.ResponseWriter, r *http.Request) {
	in := speakInput{}
	in.Body.Line, in.Body.Topic = r.PostFormValue("line"), r.PostFormValue("topic")
	in.Body.Narrated, in.Body.Request = r.PostFormValue("narrated") != "", r.PostFormValue("request")
	var err error
	if in.ChatInput, err = chatOf(r); err == nil {
		if err = numbers(r, map[string]*int64{"bot": &in.Body.Bot}); err == nil {
			_, err = a.speak.Call(r.Context(), &in)
		}
	}
	a.done(w, r, in.ID, "It is on its way.", err)
}

func (a *Area) formScene(w http.ResponseWriter, r *http.Request) {
	in := sceneInput{}
	in.Body.Text, in.Match = r.PostFormValue("text"), r.PostFormValue("match")
	var length int64
	var err error
	if in.ChatInput, err = chatOf(r); err == nil {
		if err = numbers(r, map[string]*int64{"minutes": &length}); err == nil {
			in.Body.Minutes = int(min(max(length, -1), 1e6))
			_, err = a.scene.Call(r.Context(), &in)
		}
	}
	a.done(w, r, in.ID, "The scene has begun.", err)
}

func (a *Area) formEndScene(w http.ResponseWriter, r *http.Request) {
	in := sceneEnd{Seen: operation.Seen{Match: r.PostFormValue("match")}}
	var err error
	if in.ChatInput, err = chatOf(r); err == nil {
		_, err = a.endScene.Call(r.Context(), &in)
	}
	a.done(w, r, in.ID, "The scene has ended.", err)
}

func (a *Area) formOrder(w http.ResponseWriter, r *http.Request) {
	in := orderInput{Seen: operation.Seen{Match: r.PostFormValue("match")}}
	in.Body.Settings = map[string]string{}
	var err error
	if in.ChatInput, err = chatOf(r); err == nil {
		for _, k := range keys() {
			if value := r.PostFormValue(k.Key); value != "" {
				in.Body.Settings[k.Key] = value
			}
		}
		_, err = a.order.Call(r.Context(), &in)
	}
	a.done(w, r, in.ID, "It holds from the next turn on.", err)
}

func (a *Area) formPause(w http.ResponseWriter, r *http.Request) {
	in := pauseInput{}
	var length int64
	err := numbers(r, map[string]*int64{"chat": &in.Body.Chat, "bot": &in.Body.Bot, "minutes": &length})
	if err == nil {
		in.Body.Minutes = int(min(max(length, -1), 1e6))
		_, err = a.pause.Call(r.Context(), &in)
	}
	a.pages.Done(w, r, r.PostFormValue("back"), "Paused.", err)
}

func (a *Area) formResume(w http.ResponseWriter, r *http.Request) {
	in := resumeInput{}
	err := numbers(r, map[string]*int64{"chat": &in.Body.Chat, "bot": &in.Body.Bot})
	if err == nil {
		_, err = a.resume.Call(r.Context(), &in)
	}
	a.pages.Done(w, r, r.PostFormValue("back"), "It goes on.", err)
}

func (a *Area) done(w http.ResponseWriter, r *http.Request, chat int64, done string, err error) {
	a.pages.Done(w, r, fmt.Sprintf("/chats/%d/direct", chat), done, err)
}
