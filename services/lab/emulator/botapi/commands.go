package botapi

import (
	"encoding/json"
	"regexp"
)

const (
	maxCommands           = 100
	maxCommandDescription = 256
)

type command struct {
	Command     string `json:"command"`
	Description string `json:"description"`
}

var commandPattern = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)

// scope names a menu of commands: each scope and language has its own.
func (p params) scope() string { return p.text("scope") + "|" + p.text("language_code") }

func (a *API) getMyCommands(c *call) (effect, error) {
	menu := a.World.Commands(c.bot.ID, c.params.scope())
	if menu == nil {
		menu = json.RawMessage("[]")
	}
	return always(done(menu, none))
}

func (a *API) setMyCommands(c *call) (effect, error) {
	var menu []command
	if _, err := c.params.structure("commands", &menu); err != nil {
		return nil, badRequest("can't parse commands JSON object")
	}
	if len(menu) > maxCommands {
		return nil, badRequest("BOT_COMMANDS_TOO_MUCH")
	}
	for _, entry := range menu {
		if !commandPattern.MatchString(entry.Command) {
			return nil, badRequest("BOT_COMMAND_INVALID")
		}
		if entry.Description == "" || len([]rune(entry.Description)) > maxCommandDescription {
			return nil, badRequest("BOT_COMMAND_DESCRIPTION_INVALID")
		}
	}
	return a.putCommands(c, menu)
}

func (a *API) deleteMyCommands(c *call) (effect, error) { return a.putCommands(c, nil) }

func (a *API) putCommands(c *call, menu []command) (effect, error) {
	var list json.RawMessage
	if len(menu) > 0 {
		var err error
		if list, err = json.Marshal(menu); err != nil {
			return nil, badRequest("can't parse commands JSON object")
		}
	}
	return func() (answer, error) {
		if err := a.World.SetCommands(c.bot.ID, c.params.scope(), list); err != nil {
			return answer{}, err
		}
		return done(true, set), nil
	}, nil
}
