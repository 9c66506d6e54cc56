package world

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/chorus-cast/chorus/services/lab/emulator/markup"
)

// entry is a line of the journal: events that happen all or not at all.
type entry struct {
	Seq    uint64    `json:"seq"`
	At     time.Time `json:"at"`
	Cause  *Cause    `json:"call,omitempty"`
	Events []event   `json:"ev"`
}

// event is one change; exactly one field is set. Ids are decided before an
// event is written, never when it is applied, so a later version of this
// program reads the same ids.
type event struct {
	Account  *account  `json:"account,omitempty"`
	Chat     *Chat     `json:"chat,omitempty"`
	Member   *joined   `json:"member,omitempty"`
	Message  *said     `json:"message,omitempty"`
	Edit     *edited   `json:"edit,omitempty"`
	Delete   *deleted  `json:"delete,omitempty"`
	React    *reacted  `json:"react,omitempty"`
	Queue    *queued   `json:"queue,omitempty"`
	Confirm  *confirm  `json:"confirm,omitempty"`
	Webhook  *hooked   `json:"webhook,omitempty"`
	Allowed  *allowed  `json:"allowed,omitempty"`
	Commands *commands `json:"commands,omitempty"`
}

type joined struct {
	Chat    int64 `json:"chat"`
	Account int64 `json:"account"`
	Role    Role  `json:"role"`
}

type said struct {
	Chat    int64    `json:"chat"`
	Message *Message `json:"m"`
	IDs     []boxID  `json:"ids,omitempty"`
}

type edited struct {
	Chat     int64           `json:"chat"`
	Seq      int64           `json:"seq"`
	Text     string          `json:"text"`
	Entities []markup.Entity `json:"entities,omitempty"`
	Markup   json.RawMessage `json:"markup,omitempty"`
}

type deleted struct {
	Chat int64 `json:"chat"`
	Seq  int64 `json:"seq"`
}

type reacted struct {
	Chat  int64  `json:"chat"`
	Seq   int64  `json:"seq"`
	By    int64  `json:"by"`
	Emoji string `json:"emoji"` // empty: none any more
}

type queued struct {
	Bot    int64  `json:"bot"`
	Update Update `json:"u"`
	Ref    int64  `json:"ref,omitempty"` // number of the message it is about
}

type confirm struct {
	Bot   int64 `json:"bot"`
	Below int64 `json:"below"`
}

type hooked struct {
	Bot     int64    `json:"bot"`
	Webhook *Webhook `json:"webhook,omitempty"`
	Drop    bool     `json:"drop,omitempty"`
}

type allowed struct {
	Bot   int64    `json:"bot"`
	Kinds []string `json:"kinds,omitempty"`
}

type commands struct {
	Bot   int64           `json:"bot"`
	Scope string          `json:"scope"`
	List  json.RawMessage `json:"list,omitempty"`
}

// commit writes the events down and then makes them true. On an error nothing
// has changed.
func (w *World) commit(cause *Cause, events ...event) error {
	e := entry{Seq: w.state.Seq + 1, At: w.cfg.Now().UTC(), Cause: cause, Events: events}
	if w.journal != nil {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("write the change: %w", err)
		}
		if err := w.journal.Append(line); err != nil {
			return err
		}
	}
	if err := w.apply(e); err != nil {
		return err
	}
	w.announce(e)
	return nil
}
